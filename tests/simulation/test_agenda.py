from datetime import UTC, datetime, timedelta

from homeward.simulation.agenda import Agenda, Turn

NINE = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


def nothing() -> None:
    """Do nothing."""


class TestAgenda:
    def test_gives_out_what_is_due_turn_by_turn_in_the_order_of_names(self):
        agenda = Agenda()
        agenda.add(NINE, Turn.ADMISSION, "Berwyn", "call", nothing)
        agenda.add(NINE, Turn.DESK, "Merrin", "call", nothing)
        agenda.add(NINE, Turn.DESK, "Ailsie", "call", nothing)
        agenda.add(NINE + timedelta(minutes=1), Turn.ROSTER, "Zelie", "call", nothing)

        assert [entry.who for entry in agenda.take_due(NINE)] == ["Ailsie", "Merrin"]
        assert [entry.who for entry in agenda.take_due(NINE)] == ["Berwyn"]
        assert agenda.take_due(NINE) == []
        assert agenda.next_at == NINE + timedelta(minutes=1)

    def test_gives_the_same_order_whatever_was_written_down_first(self):
        entries = [(NINE, Turn.DESK, name) for name in ("Tressa", "Fenna", "Idony")]
        one, other = Agenda(), Agenda()
        for at, turn, name in entries:
            one.add(at, turn, name, "call", nothing)
        for at, turn, name in reversed(entries):
            other.add(at, turn, name, "call", nothing)

        assert [e.who for e in one.take_due(NINE)] == [e.who for e in other.take_due(NINE)]

    def test_gives_out_with_an_earlier_turn_what_concerns_nobody_of_it(self):
        agenda = Agenda()
        agenda.add(NINE, Turn.ROSTER, "Ailsie", "group", nothing, concerns=lambda: {"Ailsie", "Merrin"})
        agenda.add(NINE, Turn.DESK, "Merrin", "call", nothing)
        agenda.add(NINE, Turn.ATTEMPT, "Merrin", "letter", nothing)
        agenda.add(NINE, Turn.ATTEMPT, "Zelie", "letter", nothing)

        first = agenda.take_due(NINE)
        second = agenda.take_due(NINE)

        assert [(entry.who, entry.what) for entry in first] == [("Ailsie", "group"), ("Zelie", "letter")]
        assert [(entry.who, entry.what) for entry in second] == [("Merrin", "call")]

    def test_leaves_who_is_busy_for_later_and_whoever_would_overtake_them(self):
        agenda = Agenda()
        agenda.add(NINE, Turn.ROSTER, "Ailsie", "group", nothing, concerns=lambda: {"Ailsie", "Merrin"})
        agenda.add(NINE, Turn.DESK, "Merrin", "call", nothing)
        agenda.add(NINE, Turn.ADMISSION, "Berwyn", "admission", nothing)

        assert agenda.take_due(NINE, busy={"Ailsie"}) == []
        assert [entry.who for entry in agenda.take_due(NINE)] == ["Ailsie"]
        assert [entry.who for entry in agenda.take_due(NINE)] == ["Merrin"]
        assert [entry.who for entry in agenda.take_due(NINE)] == ["Berwyn"]
