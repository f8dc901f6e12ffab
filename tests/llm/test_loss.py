import pytest
import torch

from scripts.llm import loss
from scripts.llm.loss import linear_cross_entropy


@pytest.mark.parametrize("n_rows", [1, 64, 2 * 64 + 3])
@pytest.mark.parametrize("n_logits", [64 * 50, 7, loss.LOGITS])  # chunks of 64 rows, of one, of all
def test_loss_and_gradients_are_pytorchs_own(n_rows, n_logits, monkeypatch):
    monkeypatch.setattr(loss, "LOGITS", n_logits)
    torch.manual_seed(0)
    hidden, head, wanted = torch.randn(n_rows, 8), torch.randn(50, 8), torch.randint(0, 50, (n_rows,))
    found = []
    for compute in (linear_cross_entropy, lambda h, w, t: torch.nn.functional.cross_entropy(h @ w.T, t)):
        inputs = [hidden.clone().requires_grad_(), head.clone().requires_grad_()]
        value = compute(*inputs, wanted)
        (3 * value).backward()
        found.append((value.detach(), *(x.grad for x in inputs)))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_what_is_frozen_gets_no_gradient_and_a_judge_needs_none():
    hidden, head, wanted = torch.randn(5, 8, requires_grad=True), torch.randn(50, 8), torch.arange(5)
    linear_cross_entropy(hidden, head, wanted).backward()
    assert hidden.grad.abs().sum() > 0
    assert head.grad is None
    with torch.no_grad():
        assert not linear_cross_entropy(hidden, head, wanted).requires_grad


def test_under_autocast_it_is_near():
    torch.manual_seed(1)
    hidden, head, wanted = torch.randn(70, 16, requires_grad=True), torch.randn(90, 16), torch.randint(0, 90, (70,))
    exact = linear_cross_entropy(hidden, head, wanted)
    with torch.autocast("cpu", torch.bfloat16):
        near = linear_cross_entropy(hidden, head, wanted)
    assert near.item() == pytest.approx(exact.item(), rel=0.02)
