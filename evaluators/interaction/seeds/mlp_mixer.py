"""A small MLP-Mixer: one block that mixes fields, then channels. Tolstikhin et al. 2021, arXiv:2105.01601."""

import torch

HYPERPARAMETERS = {"tokens": 16, "channels": 16}


def init(fields, dim, hp):
    return {
        "token_in": torch.randn(fields, hp["tokens"]) / fields**0.5,
        "token_out": torch.randn(hp["tokens"], fields) / hp["tokens"] ** 0.5,
        "channel_in": torch.randn(dim, hp["channels"]) / dim**0.5,
        "channel_out": torch.randn(hp["channels"], dim) / hp["channels"] ** 0.5,
    }


def interact(x, params, hp):
    turned = torch.layer_norm(x, (x.shape[2],)).transpose(1, 2)
    hidden = turned @ params["token_in"]
    mixed = x + ((hidden * torch.sigmoid(1.702 * hidden)) @ params["token_out"]).transpose(1, 2)
    inner = torch.layer_norm(mixed, (x.shape[2],)) @ params["channel_in"]
    return (mixed + (inner * torch.sigmoid(1.702 * inner)) @ params["channel_out"]).flatten(1)
