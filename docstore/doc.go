// Package docstore keeps official documents and what became of them: one
// Document per letter, one Dispatch per recipient unit, the status events of
// each dispatch, and the registers with their numbers.
//
// It knows no protocol and no mailbox: where the message of a dispatch lies is
// a Place, two numbers that it keeps for others. Who may do what is decided by
// the callers; which act fits which state is decided here.
//
// Everything that changes takes a [sqldb.Tx], so that the caller can change
// mailbox, document and journal in one transaction. Reads take a
// [sqldb.Reader] and need no Store, so that an offline tool can use them.
//
// Rules: Nghị định 30/2020/NĐ-CP (articles 15, 20–24, Phụ lục IV and VI) and
// the status codes of QCVN 102:2016/BTTTT.
//
// Invariants, all checked by [Verify]:
//   - a state is only ever reached by an event, and every event has its entry
//     in the journal;
//   - the numbers of a book are 1, 2, 3, … without a gap, each bound for ever
//     to one dispatch, and its entries form a chain of hashes.
package docstore
