import torch

from untaught.losses.likelihood import negative_log_likelihood


def test_it_is_half_the_squared_length_minus_the_log_determinant():
    latent, log_det = torch.tensor([[[[3.0]], [[4.0]]]]), torch.tensor([[[2.0]]])
    assert negative_log_likelihood(latent, log_det).item() == 12.5 - 2


def test_it_differs_from_a_normal_density_by_a_constant():
    latent = torch.randn(2, 5, 3, 3)
    density = torch.distributions.Normal(0, 1).log_prob(latent).sum(1)
    rest = negative_log_likelihood(latent, torch.zeros(2, 3, 3)) + density
    assert torch.allclose(rest, rest[0, 0, 0].expand_as(rest), atol=1e-4)
