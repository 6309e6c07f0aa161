from hypothesis import given
from hypothesis import strategies as st

from homing.processes.restarts import Patience
from homing.processes.service import Limits, ServiceSpec

ARGV = st.lists(st.text(max_size=20), max_size=4).map(tuple)
SECONDS = st.floats(0, 1e6)
SPECS = st.builds(
    ServiceSpec,
    receiver=ARGV,
    worker=ARGV,
    public=st.text(max_size=20),
    admin=st.text(max_size=20),
    limits=st.builds(
        Limits,
        grace_s=SECONDS,
        hang_after_s=SECONDS,
        reload_within_s=SECONDS,
        patience=st.builds(Patience, deaths=st.integers(0, 99), window_s=SECONDS),
    ),
)


class TestServiceSpec:
    @given(SPECS)
    def test_it_survives_the_way_through_an_argument(self, spec):
        """
        What the caller meant is what the supervisor runs.
        """
        assert spec == ServiceSpec.from_json(spec.to_json())
