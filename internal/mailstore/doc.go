// Package mailstore keeps mailboxes, messages, flags and quotas, and tells who
// watches a mailbox what changed in it.
//
// It owns the tables message, mailbox, entry, expunged, keyword, subscription,
// usage, message_orphan, search_text, search_segment and search_block, and the
// files of the blob store.
//
// A message is stored once, however many mailboxes hold it; a mailbox holds
// entries: UID, flags, dates, the message. What IMAP shows of a message is
// computed when it arrives and stored beside it, so nothing is parsed again.
//
// # Writing
//
// Methods that take a *sqldb.Tx work inside the caller's transaction, on the
// writer's goroutine, so that a delivery, a document and a journal entry become
// durable together. Unless a method says otherwise, a function that gets an
// error from one of them must fail itself, so that its transaction is undone.
// Every transaction that changes a mailbox takes exactly one mod-sequence of
// it (RFC 7162, section 3.1).
//
// # Reading
//
// A mailbox in use is hot: its index lies in memory as an immutable [Version],
// shared by all sessions and replaced after each commit, before the writer
// answers. A session keeps the Version its client believes in and compares it
// with the newest one ([Compare]); shared parts cost a pointer comparison.
//
// # Searching
//
// [Store.SearchText] answers exactly whether a folded text is in a field of a
// message. The index behind it ([Store.RunIndexer]) is filled after messages
// are accepted and can be thrown away and made again; it only says where to
// look. The folded texts it keeps decide, and where there is none the message.
//
// # Invariants
//
// A row that says in_blob has its file, durable before the row. A body is
// removed only after the last entry that held it is gone for a while and nobody
// else keeps it ([Store.Collect]). The counters of mailbox and usage equal what
// the entries say ([Verify]). UIDs and mod-sequences only grow; no mailbox id,
// message id or UIDVALIDITY of one owner is ever given twice.
package mailstore
