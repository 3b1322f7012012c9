"""Encodes every line of a file with the `tokenizers` wheel: the reference our WordPiece must equal.

usage: tokenizers_reference.py VOCAB cased|uncased INPUT OUTPUT
INPUT is split at LF only. OUTPUT holds, for every line, the number of ids and the ids, as little-endian uint32.
Special tokens are neither added nor recognised in the text.
"""

import array
import sys

from tokenizers import BertWordPieceTokenizer


def main() -> None:
    vocab, case, input_path, output_path = sys.argv[1:]
    tokenizer = BertWordPieceTokenizer(vocab, lowercase=case == "uncased")
    tokenizer._tokenizer.encode_special_tokens = True
    with open(input_path, "rb") as file:
        lines = file.read().decode("utf-8").split("\n")
    with open(output_path, "wb") as file:
        for first in range(0, len(lines), 10_000):
            for encoding in tokenizer.encode_batch(lines[first : first + 10_000], add_special_tokens=False):
                ids = array.array("I", [len(encoding.ids), *encoding.ids])
                if sys.byteorder != "little":
                    ids.byteswap()
                ids.tofile(file)


if __name__ == "__main__":
    main()
