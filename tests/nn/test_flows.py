import numpy as np
import pytest
import torch

from untaught.nn.flows import ConditionalFlow, Coupling, soft_clamp


def make(channels, kernels=(3, 3, 3, 5), width=8, alpha=1.9, gamma=0.5, seed=0):
    torch.manual_seed(seed)
    flow = ConditionalFlow(channels, 4, width, kernels, alpha)
    for name, parameter in flow.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter, std=gamma)
    return flow


@pytest.mark.parametrize("channels", [6, 7])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_the_inverse_gives_the_features_back(channels, dtype, tolerance):
    flow = make(channels).to(dtype)
    x, code = torch.randn(2, channels, 6, 5, dtype=dtype), torch.randn(2, 4, 6, 5, dtype=dtype)
    with torch.no_grad():
        z, _ = flow(x, code)
        back = flow.inverse(z, code)
    assert z.dtype == dtype
    assert (z - x).abs().max() > 0.1
    assert (back - x).abs().max() < tolerance


@pytest.mark.parametrize("channels", [4, 5])
def test_log_determinant_is_that_of_the_jacobian(channels):
    flow = make(channels, gamma=2.0).double()
    code = torch.randn(1, 4, 3, 3, dtype=torch.float64)
    x = torch.randn(1, channels, 3, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x, code)[0], x).reshape(channels * 9, channels * 9)
    with torch.no_grad():
        log_det = flow(x, code)[1].sum()
    assert abs(log_det) > 0.1
    assert abs(torch.linalg.slogdet(jacobian).logabsdet - log_det) < 1e-6


def test_before_training_it_permutes_the_channels_and_nothing_else():
    flow = ConditionalFlow(5, 4, 8, (3, 3, 3, 5), 1.9)
    x, code = torch.randn(2, 5, 4, 4), torch.randn(2, 4, 4, 4)
    with torch.no_grad():
        z, log_det = flow(x, code)
    order = np.arange(5)
    for seed in range(4):
        order = order[np.random.RandomState(seed).permutation(5)]
    assert torch.equal(z, x[:, order.tolist()])
    assert torch.equal(log_det, torch.zeros(2, 4, 4))


def test_the_permutations_leave_numpys_global_stream_alone_and_are_saved():
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    flow = ConditionalFlow(5, 4, 8, (3,), 1.9)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert "blocks.0.permutation" in flow.state_dict()
    assert "blocks.0.inverse_permutation" in flow.state_dict()


@pytest.mark.parametrize("alpha", [1.9, 3.0])
def test_log_scales_are_bounded(alpha):
    scale = torch.tensor([-1e6, 0.0, 1e6], dtype=torch.float64, requires_grad=True)
    clamped = soft_clamp(scale, alpha)
    assert clamped.abs().max() < alpha
    (slope,) = torch.autograd.grad(clamped[1], scale)
    assert slope[1] == pytest.approx(0.636)


def test_the_second_half_is_changed_by_what_the_first_one_became():
    block = Coupling(4, 4, 8, 3, 1.9, seed=0)
    torch.nn.init.ones_(block.net1.gamma)
    torch.nn.init.ones_(block.net2.gamma)
    x, code = torch.randn(1, 4, 5, 5), torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        y, log_det = block(x, code)
        x1, x2 = x[:, block.permutation].chunk(2, 1)
        s2, t2 = block.net2(x2, code)
        y1 = soft_clamp(s2, 1.9).exp() * x1 + t2
        s1, t1 = block.net1(y1, code)
        y2 = soft_clamp(s1, 1.9).exp() * x2 + t1
    assert torch.allclose(y, torch.cat([y1, y2], 1), atol=1e-6)
    assert torch.allclose(log_det, (soft_clamp(s1, 1.9) + soft_clamp(s2, 1.9)).sum(1), atol=1e-6)


def test_borders_are_replicated():
    block = Coupling(2, 4, 8, 5, 1.9, seed=0)
    for net in (block.net1, block.net2):
        torch.nn.init.ones_(net.gamma)
    with torch.no_grad():
        y, _ = block(torch.ones(1, 2, 6, 6), torch.ones(1, 4, 6, 6))
    assert torch.allclose(y, y[:, :, :1, :1].expand_as(y), atol=1e-5)


def test_half_precision_touches_only_the_convolutions():
    flow = make(6)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        z, log_det = flow(torch.randn(2, 6, 4, 4), torch.randn(2, 4, 4, 4))
    assert z.dtype == log_det.dtype == torch.float32


def test_parameters_of_the_papers_teacher():
    with torch.device("meta"):
        flow = ConditionalFlow(368, 32, 64, (3, 3, 3, 5), 1.9)
    assert sum(parameter.numel() for parameter in flow.parameters()) == 3_890_568
