"""The peer of bench/recovery.py: DDP training that survives a killed process as PyTorch does it, by restarting all.

    OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 --max-restarts 100 bench/peers/ddp_restart.py \
        --checkpoint FILE --reports FILE

A student of the demo's shape (three layers of a BERT encoder, its decoder tied to the embedding) learns masked
words of random sequences on the CPU, gradients averaged by gloo. After every step rank 0 writes model and optimizer
to a temporary file and renames it; a restarted run loads it and goes on. Every rank appends one line of JSON a
finished step to the reports: {"step", "time", "rank", "pid"}. A step is finished when its checkpoint is in place.
Nothing calls fsync.
"""

import argparse
import json
import os
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

VOCABULARY = 30522
HIDDEN = 384
HEADS = 12
INTERMEDIATE = 1536
LAYERS = 3
POSITIONS = 512
MASK_TOKEN = 103
FIRST_WORD = 1000  # of the vocabulary; before it stand special and unused tokens
MASKED_SHARE = 0.15


class Student(nn.Module):
    """A DistilBERT-style masked language model: no token types, no pooler."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.dropout = nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(
            HIDDEN, HEADS, INTERMEDIATE, dropout=0.1, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.LayerNorm(HIDDEN, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, tokens, masked):
        """Logits at the masked places only, as in the demo."""
        hidden = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        hidden = self.encoder(self.dropout(self.norm(hidden)))
        return F.linear(self.head(hidden[masked]), self.words.weight, self.bias)


def batch_of(step, rank, sequences, length):
    """Tokens as the model sees them, where they are masked, and what stood there."""
    random = torch.Generator().manual_seed(step * 1000 + rank)
    words = torch.randint(FIRST_WORD, VOCABULARY, (sequences, length), generator=random)
    masked = torch.rand((sequences, length), generator=random) < MASKED_SHARE
    masked[:, 0] = True  # never nothing to learn
    return words.masked_fill(masked, MASK_TOKEN), masked, words[masked]


def save(path, step, model, optimizer):
    temporary = f"{path}.tmp"
    torch.save({"step": step, "model": model.module.state_dict(), "optimizer": optimizer.state_dict()}, temporary)
    os.replace(temporary, path)


def restore(path, model, optimizer):
    """The first step to make."""
    if not os.path.exists(path):
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.module.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"] + 1


def append_line(log, line):
    os.write(log, (json.dumps(line) + "\n").encode())  # one write to a file opened to append: lines never mix


def train(options):
    rank = dist.get_rank()
    torch.manual_seed(options.seed)
    model = DistributedDataParallel(Student())
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.98), eps=1e-6)
    first = restore(options.checkpoint, model, optimizer)
    share = options.sequences // dist.get_world_size()
    log = os.open(options.reports, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for step in range(first, options.steps):
        tokens, masked, words = batch_of(step, rank, share, options.length)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(tokens, masked), words).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if rank == 0:
            save(options.checkpoint, step, model, optimizer)
        dist.barrier()  # no rank counts a step that no checkpoint holds
        append_line(log, {"step": step, "time": time.time(), "rank": rank, "pid": os.getpid()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--reports", required=True)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--sequences", type=int, default=16, help="of a step, over all ranks")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dist.init_process_group("gloo")
    train(options)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
