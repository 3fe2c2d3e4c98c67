import pytest
import torch
import torch.nn.functional as F

from sskseg.nn import masked_cross_entropy, masked_dice_loss, masked_soft_cross_entropy


@pytest.mark.parametrize("loss", [masked_cross_entropy, masked_dice_loss])
@pytest.mark.parametrize("classes", [1, 3])
def test_unlabeled_pixels_count_nowhere(loss, classes):
    torch.manual_seed(0)
    logits = torch.randn(2, classes, 6, 8)
    labels = torch.randint(0, max(2, classes), (2, 6, 8))
    labels[:, :, 4:] = -1
    known = loss(logits[..., :4], labels[..., :4])
    logits[..., 4:] = 100.0
    assert torch.allclose(loss(logits, labels), known)
    assert float(loss(logits, torch.full_like(labels, -1))) == 0


def test_unlabeled_pixels_get_no_gradient():
    logits = torch.randn(1, 1, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), -1)
    labels[0, 0, 0] = 1
    (masked_cross_entropy(logits, labels) + masked_dice_loss(logits, labels)).backward()
    assert (logits.grad != 0).sum() == 1


def test_fully_labeled_cross_entropy_is_torchs():
    logits, labels = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    assert torch.allclose(masked_cross_entropy(logits, labels), F.cross_entropy(logits, labels))


def test_dice_by_hand():
    # probabilities 1/2 on four pixels, two of them foreground: 2 * 1 / (2 + 2), smoothing 0
    labels = torch.tensor([[[1, 1], [0, 0]]])
    loss = masked_dice_loss(torch.zeros(1, 1, 2, 2), labels, smooth=0.0)
    assert float(loss) == pytest.approx(0.5)
    perfect = 100.0 * (2 * labels.unsqueeze(1) - 1)
    assert float(masked_dice_loss(perfect, labels)) == pytest.approx(0, abs=1e-5)


def test_soft_target_ignores_nan():
    logits = torch.tensor([0.3, -2.0, 1.0])
    target = torch.tensor([0.2, float("nan"), 1.0])
    expected = F.binary_cross_entropy_with_logits(logits[[0, 2]], target[[0, 2]])
    assert torch.allclose(masked_soft_cross_entropy(logits, target), expected)
