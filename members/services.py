"""Write answers to notices, objections, and what they open and close."""

from members.consents.entries import answer_enter, answers_enqueue, answers_record
from members.consents.expiry import expiries_close
from members.consents.ledger import (
    AnswerRefused,
    consent_record,
    consent_withdraw,
    objection_record,
)

__all__ = [
    "AnswerRefused",
    "answer_enter",
    "answers_enqueue",
    "answers_record",
    "consent_record",
    "consent_withdraw",
    "expiries_close",
    "objection_record",
]
