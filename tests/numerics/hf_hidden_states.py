"""Last hidden states of a Hugging Face BERT: hf_hidden_states.py MODEL_DIRECTORY OUT.safetensors"""

import sys

import torch
from safetensors.torch import save_file
from transformers import BertModel

model = BertModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
tokens = torch.randint(1000, 30000, (3, 40), generator=torch.Generator().manual_seed(1))
lengths = torch.tensor([40, 17, 29])
attention = (torch.arange(40)[None] < lengths[:, None]).long()
with torch.no_grad():
    hidden = model(tokens, attention_mask=attention).last_hidden_state
save_file({"tokens": tokens, "lengths": lengths, "hidden": hidden.contiguous()}, sys.argv[2])
