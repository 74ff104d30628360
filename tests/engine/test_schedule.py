import pytest
import torch

from untaught.engine.schedule import Schedule, share_of_time
from untaught.method import Drops, Plateau, Stage

STEPS = 2
PLATEAU = Plateau("loss", every=2, patience=2, least=0.1, minimum=6, maximum=30)


def stage(**changes):
    settings = {"name": "student", "parameters": [], "loss": dict, "optimizer": torch.optim.SGD, "epochs": 20}
    return Stage(**{**settings, "decay": 0.25, "plateau": PLATEAU, **changes})


def run(schedule, losses):
    """The rates of all steps, by epoch."""
    rates, epoch = [], 0
    while epoch < schedule.total:
        rates.append([schedule.rate(epoch, step) for step in range(STEPS)])
        schedule.close(epoch, losses(epoch) if schedule.watched(epoch) else None, elapsed=float(epoch + 1))
        epoch += 1
    return rates


def test_improving_losses_use_the_longest_training_and_decay_to_zero():
    schedule = Schedule(stage(), STEPS)
    rates = run(schedule, lambda epoch: 0.5**epoch)
    assert len(rates) == 15 + 5  # 30 steps of 2 an epoch, and a quarter of all to decay
    assert rates[14] == [1.0, 1.0]
    assert rates[15] == [1.0, 0.9]
    assert rates[19] == pytest.approx([0.2, 0.1])
    assert "longest" in schedule.stopped


def test_a_flat_held_out_loss_ends_the_constant_part_and_closes_in_proportion():
    schedule = Schedule(stage(), STEPS)
    rates = run(schedule, lambda epoch: 1.0 if epoch else 2.0)
    assert schedule.settled == 4  # improved once, then two measurements without
    assert len(rates) == 4 + 1  # a quarter of all epochs, rounded, decays
    assert rates[4] == [1.0, 0.5]
    assert "stopped improving" in schedule.stopped


def test_a_loss_that_is_good_enough_ends_the_constant_part_too():
    schedule = Schedule(stage(plateau=Plateau("loss", 2, 2, 0.1, enough=0.5, minimum=6, maximum=30)), STEPS)
    run(schedule, lambda epoch: 0.9**epoch)
    assert schedule.settled == 8  # 0.9^7 = 0.48
    assert "well enough" in schedule.stopped


def test_measurements_are_counted_in_steps():
    schedule = Schedule(stage(plateau=Plateau("loss", every=50)), steps=17)
    assert [epoch for epoch in range(10) if schedule.watched(epoch)] == [2, 5, 8]


@pytest.mark.parametrize(("epochs", "told"), [(7, "7 epochs were asked for"), (1, "1 epoch was asked for")])
def test_asked_epochs_overrule_the_plateau(epochs, told):
    schedule = Schedule(stage(), STEPS, epochs=epochs)
    assert len(run(schedule, lambda epoch: 1.0)) == epochs
    assert schedule.stopped == told


def test_the_time_of_a_stage_counts_from_its_beginning():
    schedule = Schedule(stage(), STEPS, seconds=12.0, began=100.0)
    for epoch in range(9):
        assert schedule.settled is None
        schedule.close(epoch, 0.5**epoch, 101.0 + epoch)
    assert schedule.settled == 9  # a third of that for the decay: 12 seconds in all
    assert "time budget" in schedule.stopped


@pytest.mark.parametrize(("seconds", "told"), [(7200.0, "120 minutes"), (74.0, "1.2 minutes"), (6.0, "0.1 minutes")])
def test_a_time_budget_is_told_in_plain_minutes(seconds, told):
    schedule = Schedule(stage(), STEPS, seconds=seconds)
    schedule.close(0, 1.0, seconds)
    assert f"this stage's {told} of" in schedule.stopped


def test_the_time_that_is_left_is_shared_by_steps():
    quick, slow = stage(plateau=None, steps=20, batch_size=4), stage(plateau=None, steps=60, batch_size=8)
    assert share_of_time([quick, slow], 10) == pytest.approx(20 / 80)
    assert share_of_time([slow], 5) == 1
    assert share_of_time([quick, slow], 10, epochs=3) == pytest.approx(30 / 45), "the second has half as many an epoch"


def test_an_end_before_the_usual_least_is_told():
    schedule = Schedule(stage(plateau=Plateau("loss", minimum=50)), STEPS, seconds=1.0)
    schedule.close(0, 1.0, 2.0)
    assert f"of {STEPS} steps, where 50 steps are the least that is usual" in schedule.stopped


def test_the_time_budget_leaves_room_for_the_decay():
    rates = run(Schedule(stage(), STEPS, seconds=12.0), lambda epoch: 0.5**epoch)
    assert len(rates) == 12


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_without_a_plateau_all_epochs_are_run(decay):
    rates = run(Schedule(stage(decay=decay, plateau=None, epochs=3), STEPS), lambda epoch: 1.0)
    assert len(rates) == 3
    assert (rates[-1] == [1.0, 1.0]) == (decay == 0)


def test_warm_up_counts_steps():
    schedule = Schedule(stage(warmup=4), STEPS)
    assert [schedule.rate(0, 0), schedule.rate(0, 1), schedule.rate(1, 1)] == [0.25, 0.5, 1.0]


def test_what_is_waited_for_is_said():
    schedule = Schedule(stage(), STEPS)
    assert "held-out" in schedule.waiting()
    schedule.close(0, 0.25, 1.0)
    assert "0.2500" in schedule.waiting()


def test_a_budget_in_steps_is_rounded_up_to_whole_epochs():
    assert len(run(Schedule(stage(steps=7, decay=0.0, plateau=None), STEPS), lambda epoch: 1.0)) == 4
    assert len(run(Schedule(stage(steps=7, decay=0.0, plateau=None), STEPS, epochs=3), lambda epoch: 1.0)) == 3


def test_drops_lower_the_rate_at_their_shares_of_the_stage():
    drops = Drops((0.8, 0.9), 0.2)
    rates = run(Schedule(stage(epochs=10, decay=0.0, drops=drops, plateau=None), STEPS), lambda epoch: 1.0)
    assert [rate for epoch in rates for rate in epoch] == pytest.approx([1.0] * 16 + [0.2] * 2 + [0.04] * 2)


@pytest.mark.parametrize("epochs", range(1, 12))
def test_no_planned_epoch_is_lost_to_the_decay(epochs):
    schedule = Schedule(stage(steps=STEPS * epochs, decay=0.4, plateau=None), STEPS)
    assert len(run(schedule, lambda epoch: 1.0)) == epochs
    assert schedule.stopped == ("1 epoch was planned" if epochs == 1 else f"{epochs} epochs were planned")
