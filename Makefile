# Everything is built with SQLite's full-text search: go build without this tag stops with a message.
export GOFLAGS := -tags=sqlite_fts5 -buildvcs=false
export CGO_ENABLED := 1
# SQLite as it should be on Linux: fdatasync where fsync would also write the file's times, query plans that do not
# depend on bound values (or SELECTs are compiled anew for each value), no counting of every allocation.
# Without them all works the same, slower.
export CGO_CFLAGS := -O2 -g -DHAVE_FDATASYNC=1 -DSQLITE_ENABLE_QPSG -DSQLITE_DEFAULT_MEMSTATUS=0

BIN        := bin/vanthu
DEMO_DIR   ?= demo-data
BENCH_DIR  ?= bench-data
FUZZ_TIME  ?= 30s
ROUNDS     ?= 50
REMOTE     ?= 20000
OFFICE     ?= 60,500
COMMANDS   ?= 1000000
LINT       := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: demo build test lint fuzz check bench crash stress golden recognition officeday filters
.DEFAULT_GOAL := build

## demo: build, play the main job in a training province, and go on serving until Ctrl-C
demo: build
	./$(BIN) demo --any-ports --dir $(DEMO_DIR)

## build: the one binary, in bin/
build:
	go build -trimpath -o $(BIN) ./cmd/vanthu

## test: all tests, with the race detector; real mail clients too
test:
	.ci/clients
	go vet ./...
	go test -race -shuffle=on -timeout 20m ./...

## lint: formatting and static checks
lint:
	test -z "$$(gofmt -l .)"
	go run $(LINT) run ./...

## fuzz: every fuzz target for FUZZ_TIME
fuzz:
	@for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ_TIME) $$p || exit 1; \
		done; \
	done

## golden: write the expected replies and pages anew, to be reviewed as a diff
golden:
	go test ./smtpd ./imapd ./config ./internal/... -update

## check: what must be green before a change lands
check: lint test

## stress: ten sessions on one mailbox, COMMANDS random commands, what each believes checked
stress:
	VANTHU_TEST_STRESS=$(COMMANDS) go test -count=1 -timeout 120m -run TestStressModelClients -v ./imapd

## filters: ClamAV and rspamd from Debian as milters, with the test files EICAR and GTUBE
filters:
	.ci/filters
	VANTHU_TEST_FILTERS=1 go test -count=1 -timeout 5m -run TestReal -v ./internal/filter

## bench: a server with 500 accounts for the benchmark, until Ctrl-C
bench: build
	./$(BIN) demo --bench --dir $(BENCH_DIR)

## crash: kill -9 at random moments under load, ROUNDS times; and between two servers, with REMOTE messages
crash: build
	VANTHU_TEST_CRASH_ROUNDS=$(ROUNDS) VANTHU_TEST_CRASH_REMOTE=$(REMOTE) go test -count=1 -timeout 120m -run 'TestCrash' -v ./internal/testkit

## officeday: a day of 60 units and 500 documents over real SMTP and IMAP; the registers must be those of a model
officeday:
	VANTHU_TEST_OFFICE=$(OFFICE) go test -count=1 -timeout 30m -run 'TestOfficeDay$$' -v ./internal/testkit

## recognition: precision and recall per field on a corpus of documents made for it
recognition:
	go test -count=1 -run 'TestRecognition$$' -v ./internal/testkit
