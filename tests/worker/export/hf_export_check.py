"""Loads an exported DistilBERT directory with transformers and compares its logits with ours.

usage: hf_export_check.py DIRECTORY REFERENCE.safetensors
The reference holds tokens [B, S], lengths [B] and our logits [B, S, V]. Exit code 1, with the reason, on a mismatch.
"""

import sys

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, DistilBertForMaskedLM

TOLERANCE = 1e-4


def main(directory, reference_path):
    model, loading = DistilBertForMaskedLM.from_pretrained(directory, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loading[kind]:
            return f"{kind}: {loading[kind]}"
    model.eval()

    reference = load_file(reference_path)
    tokens, lengths = reference["tokens"], reference["lengths"]
    attended = torch.arange(tokens.shape[1])[None, :] < lengths[:, None]
    with torch.no_grad():
        logits = model(input_ids=tokens, attention_mask=attended.long()).logits
    difference = (logits - reference["logits"])[attended].abs().max().item()
    if not difference <= TOLERANCE:
        return f"logits differ by {difference:.3g}, more than {TOLERANCE}"

    tokenizer = AutoTokenizer.from_pretrained(directory)
    with open(f"{directory}/vocab.txt", encoding="utf-8") as file:
        mask_line = file.read().split("\n").index("[MASK]")
    if tokenizer.mask_token_id != mask_line:
        return f"[MASK] is line {mask_line} of vocab.txt, but id {tokenizer.mask_token_id} of the tokenizer"
    print(f"largest difference of a logit: {difference:.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
