package imapd

// state is what a command needs; it is read off the session, which imapserver keeps in step (user set by Login, box by Select).
type state uint8

const (
	anyState state = iota
	notAuthenticated
	authenticated // or selected
	selected
)

// how says who carries a command out.
type how uint8

const (
	passed    how = iota // imapserver, as it came; such commands have no arguments
	rewritten            // parsed by us, its state and tagged answer imapserver's, its work the session's
	own                  // ours alone
)

// entry is a row of the table of commands.
type entry struct {
	need state
	how  how
	run  func(*session, *command) result // nil for passed
	held bool                            // no EXPUNGE while it is answered (RFC 9051, section 7.5.1)
}

// result is what a handler makes of a command: a line for imapserver, or a tagged answer, or the end of the connection.
type result struct {
	stub  string // command for imapserver, without tag and line end
	reply status
	bye   string // close, saying this
	done  bool   // answered already, with OK
	gone  bool   // the connection is broken
}

func pass(stub string) result   { return result{stub: stub} }
func answer(s status) result    { return result{reply: s} }
func syntax(what string) result { return answer(bad(what)) }
func hangUp(why string) result  { return result{bye: why} }

// lookup is the table of commands. An extension with a new verb gets a row here, a word in caps.go, and a file.
func lookup(verb string) (e entry, found bool) { //nolint:funlen,gocyclo // a table
	switch verb {
	case "CAPABILITY", "NOOP", "LOGOUT":
		return entry{need: anyState, how: passed}, true
	case "ID":
		return entry{need: anyState, how: own, run: (*session).runID}, true
	case "STARTTLS":
		return entry{need: notAuthenticated, how: own, run: (*session).runStartTLS}, true
	case "LOGIN":
		return entry{need: notAuthenticated, how: rewritten, run: (*session).runLogin}, true
	case "AUTHENTICATE":
		return entry{need: notAuthenticated, how: rewritten, run: (*session).runAuthenticate}, true
	case "ENABLE":
		return entry{need: authenticated, how: rewritten, run: (*session).runEnable}, true
	case "UNAUTHENTICATE":
		return entry{need: authenticated, how: passed}, true
	case "COMPRESS":
		return entry{need: authenticated, how: own, run: (*session).runCompress}, true
	case "NOTIFY":
		return entry{need: authenticated, how: own, run: (*session).runNotify}, true
	case "NAMESPACE":
		return entry{need: authenticated, how: passed}, true
	case "SELECT", "EXAMINE":
		return entry{need: authenticated, how: rewritten, run: (*session).runSelect}, true
	case "CREATE":
		return entry{need: authenticated, how: rewritten, run: (*session).runCreate}, true
	case "DELETE", "SUBSCRIBE", "UNSUBSCRIBE":
		return entry{need: authenticated, how: rewritten, run: (*session).runNamed}, true
	case "RENAME":
		return entry{need: authenticated, how: rewritten, run: (*session).runRename}, true
	case "LIST":
		return entry{need: authenticated, how: own, run: (*session).runList}, true
	case "LSUB":
		return entry{need: authenticated, how: own, run: (*session).runLSub}, true
	case "STATUS":
		return entry{need: authenticated, how: own, run: (*session).runStatus}, true
	case "GETQUOTA":
		return entry{need: authenticated, how: own, run: (*session).runGetQuota}, true
	case "GETQUOTAROOT":
		return entry{need: authenticated, how: own, run: (*session).runGetQuotaRoot}, true
	case "SETQUOTA":
		return entry{need: authenticated, how: own, run: (*session).runSetQuota}, true
	case "SETACL", "DELETEACL":
		return entry{need: authenticated, how: own, run: (*session).runSetACL}, true
	case "GETACL":
		return entry{need: authenticated, how: own, run: (*session).runGetACL}, true
	case "LISTRIGHTS":
		return entry{need: authenticated, how: own, run: (*session).runListRights}, true
	case "GETMETADATA":
		return entry{need: authenticated, how: own, run: (*session).runGetMetadata}, true
	case "SETMETADATA":
		return entry{need: authenticated, how: own, run: (*session).runSetMetadata}, true
	case "MYRIGHTS":
		return entry{need: authenticated, how: own, run: (*session).runMyRights}, true
	case "APPEND":
		return entry{need: authenticated, how: own, run: (*session).runAppend}, true
	case "REPLACE", "UID REPLACE":
		return entry{need: selected, how: own, run: (*session).runReplace}, true
	case "IDLE":
		return entry{need: authenticated, how: own, run: (*session).runIdle}, true
	case "CHECK", "CLOSE", "UNSELECT", "EXPUNGE":
		return entry{need: selected, how: passed}, true
	case "UID EXPUNGE":
		return entry{need: selected, how: rewritten, run: (*session).runUIDExpunge}, true
	case "SEARCH":
		return entry{need: selected, how: own, run: (*session).runSearch, held: true}, true
	case "UID SEARCH":
		return entry{need: selected, how: own, run: (*session).runSearch}, true
	case "SORT":
		return entry{need: selected, how: own, run: (*session).runSort, held: true}, true
	case "UID SORT":
		return entry{need: selected, how: own, run: (*session).runSort}, true
	case "THREAD":
		return entry{need: selected, how: own, run: (*session).runThread, held: true}, true
	case "UID THREAD":
		return entry{need: selected, how: own, run: (*session).runThread}, true
	case "ESEARCH":
		return entry{need: authenticated, how: own, run: (*session).runMultiSearch}, true
	case "FETCH":
		return entry{need: selected, how: rewritten, run: (*session).runFetch, held: true}, true
	case "UID FETCH":
		return entry{need: selected, how: rewritten, run: (*session).runFetch}, true
	case "STORE":
		return entry{need: selected, how: rewritten, run: (*session).runStore, held: true}, true
	case "UID STORE":
		return entry{need: selected, how: rewritten, run: (*session).runStore}, true
	case "COPY", "UID COPY", "MOVE", "UID MOVE":
		return entry{need: selected, how: rewritten, run: (*session).runCopy}, true
	}
	return entry{}, false
}
