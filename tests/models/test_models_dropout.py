"""Quick dropout: the right share, the right scale, the gradient of what stays; only where it is asked for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from mhclf.models.dropout import dropout_on, quick_dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_and_scale(share, dtype):
    torch.manual_seed(0)
    found = quick_dropout(torch.ones(3, 201, 333, dtype=dtype), share)
    assert found.dtype == dtype
    # Four standard errors of a share over 200,799 draws.
    assert abs(float((found == 0).float().mean()) - share) < 4 * (share * (1 - share) / found.numel()) ** 0.5
    kept = found[found != 0].float()
    assert kept.unique().numel() == 1
    assert float(kept[0]) == pytest.approx(1 / (1 - share), rel=4e-3 if dtype == torch.bfloat16 else 1e-4)


def test_every_place_of_a_drawn_number_is_uniform():
    torch.manual_seed(1)
    found = quick_dropout(torch.ones(100_000, 4), 0.5)
    assert ((found == 0).float().mean(dim=0) - 0.5).abs().max() < 4 * 0.5 / 100_000**0.5
    both = ((found[:, 0] == 0) & (found[:, 3] == 0)).float().mean()
    assert abs(float(both) - 0.25) < 4 * 0.433 / 100_000**0.5


def test_gradients_are_those_of_what_stays():
    torch.manual_seed(2)
    values = torch.randn(7, 5, requires_grad=True)
    found = quick_dropout(values, 0.4)
    found.sum().backward()
    assert torch.equal(values.grad == 0, found == 0)
    assert torch.allclose(values.grad * values.detach(), found.detach())


def test_modules_and_functions_use_it_on_a_cpu_and_follow_the_seed():
    layer, values = nn.Dropout(0.25), torch.ones(1000)
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        with dropout_on(CPU):
            found.append((layer(values), functional.dropout(values, 0.25)))
    torch.manual_seed(3)
    assert torch.equal(found[0][0], quick_dropout(values, 0.25))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert not torch.equal(*found[0])
    torch.manual_seed(3)
    plain = layer(values)
    torch.manual_seed(3)
    with dropout_on(torch.device("meta")):
        assert torch.equal(layer(values), plain)


def test_nothing_changes_where_nothing_is_dropped():
    values = torch.randn(50)
    with dropout_on(CPU):
        assert torch.equal(nn.Dropout(0.5).eval()(values), values)
        assert torch.equal(nn.Dropout(0.0)(values), values)
        assert torch.equal(functional.dropout(values, 1.0), torch.zeros(50))


@pytest.mark.parametrize("form", ["none", "bool", "added"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_with_dropout_is_that_of_torch_but_for_the_draws(form, scale, monkeypatch):
    torch.manual_seed(4)
    query, key, value = (torch.randn(2, 3, 6, 8) for _ in range(3))
    seen = torch.rand(2, 1, 6, 6) > 0.4
    seen[..., 0] = True
    mask = {"none": None, "bool": seen, "added": torch.zeros(2, 1, 6, 6).masked_fill(~seen, -1e9)}[form]
    expected = functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)
    with dropout_on(CPU):
        same = functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)
        drawn = [
            functional.scaled_dot_product_attention(query, key, value, mask, dropout_p=0.2, scale=scale)
            for _ in range(4000)
        ]
        monkeypatch.setattr("mhclf.models.dropout.quick_dropout", lambda values, share: values)
        found = functional.scaled_dot_product_attention(query, key, value, mask, dropout_p=0.2, scale=scale)
    assert torch.equal(same, expected)
    assert torch.allclose(found, expected, atol=1e-6)
    # The mean over draws is the plain result: spread of a mean of 4,000 is below .02.
    assert (torch.stack(drawn).mean(dim=0) - expected).abs().max() < 0.1
