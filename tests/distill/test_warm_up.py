"""The warm-up of DKD: as its authors raise it, and its effect on the loss."""

import pytest
from test_distillation import TwoStages, batch, objective, terms_of

from studentsearch.distill.methods import method
from studentsearch.distill.warm_up import WarmUp
from studentsearch.engine.objective import Moment
from studentsearch.errors import UsageError
from studentsearch.jobs.method_options import MethodOptions, chosen_method


def test_the_authors_240_epochs():
    warm_up = method("dkd").warm_up
    assert warm_up is not None
    # the authors' loop: min(epoch / 20, 1) with epochs from 1
    factors = [warm_up.factor(Moment(epoch=epoch - 1, share=(epoch - 1) / 240)) for epoch in range(1, 241)]
    assert factors == pytest.approx([min(epoch / 20, 1) for epoch in range(1, 241)])


def test_a_short_training_is_warm_at_its_half():
    warm_up = method("dkd").warm_up
    assert warm_up is not None
    moments = (Moment(epoch=0, share=0.0), Moment(epoch=2, share=0.25), Moment(epoch=5, share=0.5))
    assert [warm_up.factor(moment) for moment in moments] == [0.05, 0.5, 1.0]
    assert warm_up.factor(Moment(epoch=9, share=0.99)) == 1


def test_only_the_knowledge_term_is_warmed_up():
    moment = Moment(epoch=4, share=0.0)
    shown = [
        objective(TwoStages(), [TwoStages(seed=1)], terms_of("dkd", warm_up=warm_up)).backward(*batch(), moment)
        for warm_up in (None, WarmUp(epochs=20))
    ]
    assert shown[1]["knowledge"].item() == pytest.approx(shown[0]["knowledge"].item() / 4, rel=1e-12)
    assert shown[1]["cross_entropy"] == shown[0]["cross_entropy"]


def test_a_user_may_choose_its_length():
    def warm_up(**chosen: object) -> WarmUp | None:
        return chosen_method(MethodOptions(**chosen)).terms.warm_up

    assert warm_up(name="dkd") == WarmUp(epochs=20, share=0.5)
    assert warm_up(name="dkd", warm_up_epochs=0) is None
    assert warm_up(name="rkd", warm_up_epochs=3) == WarmUp(epochs=3)
    assert warm_up(name="rkd") is None
    with pytest.raises(UsageError, match="found --knowledge-warmup -1; expected 0 epochs or more"):
        MethodOptions(warm_up_epochs=-1)
    with pytest.raises(UsageError, match=r"found a warm-up of 0 epochs and share 0\.5; expected 1 epoch or more"):
        WarmUp(epochs=0, share=0.5)
