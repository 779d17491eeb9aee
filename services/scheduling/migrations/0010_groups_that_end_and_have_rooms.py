"""Groups that end and have rooms, and weeks that wait for the patient's word

Revision: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.add_column('groups', sa.Column('room_id', sa.Uuid(as_uuid=False), nullable=True))
    op.add_column('groups', sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('groups', sa.Column('end_reason', sa.String(length=32), nullable=True))
    op.create_check_constraint(op.f('ck_groups_end_reason_code'), 'groups', "end_reason IN ('FACILITATOR_LEFT', 'TOO_FEW_MEMBERS', 'CURRICULUM_COMPLETED', 'OTHER')")
    op.add_column('weekly_plans', sa.Column('confirm_by', sa.DateTime(timezone=True), nullable=True))
    op.add_column('weekly_plans', sa.Column('confirmation_asked', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('weekly_plans', sa.Column('changed_because', sa.String(length=16), nullable=True))
    op.create_table('room_hours',
    sa.Column('group_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('weekday', sa.SmallInteger(), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('room_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('begins', sa.Integer(), nullable=False),
    sa.Column('ends', sa.Integer(), nullable=False),
    sa.CheckConstraint('begins < ends', name=op.f('ck_room_hours_begins_before_end')),
    sa.ForeignKeyConstraint(['tenant_id', 'group_id'], ['groups.tenant_id', 'groups.group_id'], name=op.f('fk_room_hours_tenant_id_group_id')),
    sa.ForeignKeyConstraint(['tenant_id', 'room_id'], ['rooms.tenant_id', 'rooms.room_id'], name=op.f('fk_room_hours_tenant_id_room_id')),
    sa.PrimaryKeyConstraint('group_id', 'weekday', 'tenant_id', name=op.f('pk_room_hours'))
    )
    op.execute(
        "ALTER TABLE room_hours ADD CONSTRAINT ex_room_hours_room EXCLUDE USING gist ("
        "int8range(hashtextextended(tenant_id || room_id::text, 0), "
        "hashtextextended(tenant_id || room_id::text, 0), '[]') WITH &&, "
        "int4range(begins, ends) WITH &&)"
    )


def downgrade() -> None:
    op.drop_table('room_hours')
    for column in ('changed_because', 'confirmation_asked', 'confirm_by'):
        op.drop_column('weekly_plans', column)
    op.drop_constraint(op.f('ck_groups_end_reason_code'), 'groups')
    for column in ('end_reason', 'ended_at', 'room_id'):
        op.drop_column('groups', column)
