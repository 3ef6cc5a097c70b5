# SPDX-License-Identifier: Apache-2.0
"""A small decoder-only transformer: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019
(pre-norm blocks, learned positions, GELU), of the size of deeptm.models.transformer.
"""

import torch
from torch import nn
from torch.nn import functional

LAYERS = 6
HEADS = 6
WIDTH = 384
DROPOUT = 0.1


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.join = nn.Linear(WIDTH, WIDTH)
        self.perceptron = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x):
        batch, length, _ = x.shape
        heads = self.project(self.before_attention(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=DROPOUT if self.training else 0.0, is_causal=True)
        x = x + self.dropout(self.join(attended.transpose(1, 2).reshape(batch, length, WIDTH)))
        return x + self.dropout(self.perceptron(x))


class Transformer(nn.Module):
    def __init__(self, length, vocabulary):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(length, WIDTH)
        self.blocks = nn.Sequential(nn.Dropout(DROPOUT), *(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))
        self.logits = nn.Linear(WIDTH, vocabulary)

    def forward(self, tokens):
        positions = torch.arange(tokens.shape[1])
        return self.logits(self.blocks(self.tokens(tokens) + self.positions(positions)))


def transformer(image, classes):
    """`image` is the length of the sequences, `classes` the size of the vocabulary."""
    return Transformer(image, classes)
