"""A past as a running service would have written it: one of its rows, many times over."""

from collections.abc import Mapping
from types import MappingProxyType

import psycopg2
from psycopg2 import sql

#: What every row of the past gets of its own; everything else is copied from a row that the service wrote.
#: Moments are spread over the last fortnight, so that nothing of it is pruned meanwhile.
_FRESH = {
    "event_id": "uuidv7(-n * interval '1 second')",
    "command_id": "uuidv7(-n * interval '1 second')",
    "episode_id": "uuidv7(-n * interval '1 second')",
    "patient_id": "uuidv7(-n * interval '1 second')",
    "journey_id": "uuidv7(-n * interval '1 second')",
    "referral_id": "uuidv7(-n * interval '1 second')",
    "identity_index": "sha256(uuidv7()::text::bytea)",
    "cause_id": "gen_random_uuid()::text",
    "correlation_id": "gen_random_uuid()::text",
    "causation_id": "gen_random_uuid()::text",
    "about_id": "gen_random_uuid()",
    "link": "10000000 + n",
    "announced_at": "now() - n * interval '1 second'",
    "dispatched_at": "now() - n * interval '1 second'",
    "received_at": "now() - n * interval '1 second'",
    "recorded_at": "now() - n * interval '1 second'",
    "occurred_at": "now() - n * interval '1 second'",
    "carried_out_at": "now() - n * interval '1 second'",
    "acted_at": "now() - n * interval '1 second'",
}


def put_behind(
    connection: "psycopg2.extensions.connection",
    tables: Mapping[str, int],
    *,
    told: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Copy a row of each table so often that it holds so many more, each with ids and moments of its own.

    :param told: what the *n*-th copy gets in some columns instead, in SQL.
    """
    fresh = {**_FRESH, **told}
    cursor = connection.cursor()
    for table, number in tables.items():
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO' AND"
            " (column_name <> 'position' OR is_nullable = 'YES') ORDER BY ordinal_position",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
        values = [
            sql.SQL(_FRESH["link"])
            if column == "position"
            else sql.SQL(fresh[column])
            if column in fresh
            else sql.SQL("model.{}").format(sql.Identifier(column))
            for column in columns
        ]
        # Foreign keys would ask for people whom nobody looks at.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            sql.SQL(
                "INSERT INTO {table} ({columns}) SELECT {values}"
                " FROM (SELECT * FROM {table} LIMIT 1) AS model, generate_series(1, %s) AS n"
            ).format(
                table=sql.Identifier(table),
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                values=sql.SQL(", ").join(values),
            ),
            [number],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
    cursor.execute("CHECKPOINT")
