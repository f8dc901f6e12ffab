"""Small language models for membership attacks: how likely a note is to somebody who knows other notes alone.

A note of rare words is unlikely to any model, member or not. Every score is therefore less by what the same tokens have
as single ones in the same training notes, which needs no reference model and no other notes. Of the calibrations tried
on the shipped notes (none; reference models of 1/2, 4/5 and 9/10 of the other candidates) none was better where eight
words of each of half of the members were copied; where more was copied, all were alike within their spread.
"""

from collections.abc import Sequence

import numpy as np

from scripts.notes.ngrams import NgramModel

from .normalize import Token

ORDER = 4

# The neural model: what a laptop trains in seconds.
VOCABULARY, WIDTH, HIDDEN, WINDOW, BATCH = 1000, 64, 128, 48, 8
LEARNING_RATE, MAX_EPOCHS = 1e-2, 20


def ngram_scores(train: Sequence[Sequence[Token]], notes: Sequence[Sequence[Token]]) -> tuple[np.ndarray, np.ndarray]:
    """For each of NOTES the log-probability of its tokens under an n-gram model of TRAIN less that as single tokens.

    Summed over the note, in nats; and the number of tokens.

    The orders are 1 to 4 (`NgramModel`).
    """
    model = NgramModel(([token.text for token in note] for note in train), ORDER)
    shares, owner = model.probabilities([token.text for token in note] for note in notes)
    sums = np.bincount(owner, weights=np.log(shares[-1] / shares[0]), minlength=len(notes))
    return sums, np.bincount(owner, minlength=len(notes))


def neural_scores(
    train: Sequence[str], notes: Sequence[str], n_tokens: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `ngram_scores`, by a recurrent model of some 200,000 weights on subwords that are learned from TRAIN, too.

    It is trained on N_TOKENS tokens at most, or for 12 epochs. The same SEED gives the same scores on the same machine.
    """
    import torch

    tokenizer = _tokenizer(train)
    rows = [row for text in train for row in _windows([0, *tokenizer.encode(text).ids])]
    queries = [(i, row) for i, text in enumerate(notes) for row in _windows([0, *tokenizer.encode(text).ids])]
    # One more than was seen of each: no subword of a note has a probability of zero.
    seen = np.bincount([id for row in rows for id in row[1:]], minlength=tokenizer.get_vocab_size()) + 1
    alone = np.log(seen / seen.sum())
    sums, counts = np.zeros(len(notes)), np.zeros(len(notes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _train(rows, tokenizer.get_vocab_size(), n_tokens)
        with torch.inference_mode():
            for first in range(0, len(queries), 8 * BATCH):
                part = queries[first : first + 8 * BATCH]
                losses = model([row for _, row in part])
                for (note, row), loss in zip(part, losses.sum(dim=1).tolist(), strict=True):
                    sums[note] -= loss + alone[row[1:]].sum()
                    counts[note] += len(row) - 1
    return sums, counts


def _tokenizer(texts: Sequence[str]):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<start>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _windows(ids: list[int]) -> list[list[int]]:
    """IDS in windows of at most WINDOW predictions each, so that every id but the first is predicted once."""
    return [ids[i : i + WINDOW + 1] for i in range(0, len(ids) - 1, WINDOW)]


def _train(rows: list[list[int]], n_types: int, n_tokens: int):
    import torch

    model = _model_class()(n_types)
    n_epochs = max(1, min(MAX_EPOCHS, round(n_tokens / max(1, sum(map(len, rows))))))
    n_rows = min(len(rows), max(BATCH, n_tokens // WINDOW))
    steps = [s for _ in range(n_epochs) for s in torch.randperm(len(rows))[:n_rows].split(BATCH)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=len(steps) + 1)
    for step in steps:
        batch = [rows[i] for i in step.tolist()]
        loss = model(batch).sum() / sum(len(row) - 1 for row in batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def _model_class() -> type:
    import torch
    from torch import nn

    class Model(nn.Module):
        """Embedding, GRU, and the embedding once more."""

        def __init__(self, n_types: int):
            super().__init__()
            self.embed = nn.Embedding(n_types, WIDTH)
            nn.init.normal_(self.embed.weight, std=0.1)
            self.gru = nn.GRU(WIDTH, HIDDEN, batch_first=True)
            self.out = nn.Linear(HIDDEN, WIDTH)
            self.bias = nn.Parameter(torch.zeros(n_types))
            self.drop = nn.Dropout(0.1)

        def forward(self, rows: list[list[int]]) -> torch.Tensor:
            """The loss of each predicted id of ROWS, 0 where a row is padded."""
            width = max(map(len, rows))
            ids = torch.tensor([row + [-100] * (width - len(row)) for row in rows])
            hidden, _ = self.gru(self.drop(self.embed(ids[:, :-1].clamp(min=0))))
            logits = self.drop(self.out(hidden)) @ self.embed.weight.T + self.bias
            return nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")

    return Model
