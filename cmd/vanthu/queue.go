package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/queue"
)

func (c *cli) queueCmd() *cobra.Command {
	return parent("queue", "Mail that must leave this server", c.queueList(), c.queueShow(),
		c.queueAct("hold", "Stop what waits until it is released"),
		c.queueAct("release", "Let what is held, or waits for a later time, go at once"),
		c.queueAct("retry", "Try what waits now, also at servers that did not answer"),
		c.queueRoute(), c.queueDrop())
}

func (c *cli) queueList() *cobra.Command {
	var req control.QueueList
	var id, state string
	var summary bool
	cmd := &cobra.Command{
		Use: "list", Short: "List what waits, is held or under way", Args: cobra.NoArgs,
		Long: `Lists the queue, one line for each recipient of a message.

With --summary, one line for each way out instead: how much waits, since when, and
how the next server is doing.`,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			if summary {
				return answer(cmd, c, control.CallQueueSummary, control.None{}, printLanes)
			}
			req.QueueID, req.State = queue.ID(id), queue.State(state)
			return answer(cmd, c, control.CallQueueList, req, printQueue)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&req.All, "all", false, "also what has ended: done, failed, dropped")
	f.BoolVar(&summary, "summary", false, "one line for each way out")
	f.StringVar(&id, "id", "", "only the message with this queue `id`")
	f.StringVar(&req.Domain, "domain", "", "only recipients of this `domain`")
	f.StringVar(&req.Sender, "sender", "", "only mail of this `address`; <> for delivery reports")
	f.StringVar(&state, "state", "", "only this `state`: later, waiting, leased, held, done, failed or dropped")
	f.IntVar(&req.Limit, "limit", 0, "at most this `number` of lines (1000)")
	return cmd
}

func printQueue(w io.Writer, list []control.QueueItem) error {
	rows := make([][]string, len(list))
	for i, it := range list {
		next := ""
		if it.State == queue.Waiting || it.State == queue.Later {
			next = shownTime(it.Next)
		}
		rows[i] = []string{
			strconv.FormatInt(int64(it.ID), 10), string(it.Queue), "<" + it.From + ">", it.To, string(it.State), shownAge(it.Age),
			strconv.Itoa(it.Attempts), next, lastReply(it.LastCode, it.LastText),
		}
	}
	return table(w, []string{"ITEM", "QUEUE ID", "FROM", "TO", "STATE", "AGE", "TRIES", "NEXT", "LAST REPLY"}, rows)
}

func printLanes(w io.Writer, list []control.QueueLane) error {
	rows := make([][]string, len(list))
	for i, l := range list {
		next := l.Next
		if l.Destination.NotBefore.After(next) {
			next = l.Destination.NotBefore
		}
		at := ""
		if !next.IsZero() && l.Waiting > 0 {
			at = shownTime(next)
		}
		via, last := l.Destination.Name, l.Destination.Last
		if via == "" {
			via = "(no route)"
		}
		if last == "" {
			last = lastReply(l.LastCode, l.LastText)
		}
		rows[i] = []string{
			strings.TrimPrefix(string(l.Lane), ">"), via, strconv.Itoa(l.Waiting), strconv.Itoa(l.Leased), strconv.Itoa(l.Held),
			shownAge(l.Age), at, last,
		}
	}
	return table(w, []string{"DESTINATION", "VIA", "WAITING", "UNDER WAY", "HELD", "OLDEST", "NEXT", "LAST REPLY"}, rows)
}

// shownAge gives a span in its largest unit: people look for what is old.
func shownAge(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func lastReply(code int, text string) string {
	if code == 0 {
		return text
	}
	return strings.TrimSpace(strconv.Itoa(code) + " " + text)
}

func (c *cli) queueShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ITEM|QUEUE-ID", Short: "Show everything about an item or a message", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req := control.QueueList{All: true}
			if n, err := strconv.ParseInt(args[0], 10, 64); err == nil {
				req.Item = queue.ItemID(n)
			} else {
				req.QueueID = queue.ID(args[0])
			}
			var list []control.QueueItem
			if err := c.call(cmd.Context(), control.CallQueueList, req, &list, nil); err != nil {
				return err
			}
			if len(list) == 0 {
				return fault.Newf(fault.NotFound, "there is nothing in the queue under %s; ended items are forgotten after queue.keep", args[0])
			}
			if c.json {
				return c.printJSON(list)
			}
			for _, it := range list {
				if err := printItem(c.out, it); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func printItem(w io.Writer, it control.QueueItem) error {
	rows := [][]string{
		{"item", strconv.FormatInt(int64(it.ID), 10)}, {"queue id", string(it.Queue)}, {"from", "<" + it.From + ">"}, {"to", it.To},
		{"state", string(it.State)}, {"accepted", shownTime(it.Created) + " (" + shownAge(it.Age) + " ago)"},
		{"attempts", strconv.Itoa(it.Attempts)}, {"next attempt", shownTime(it.Next)}, {"given up", shownTime(it.Expires)},
		{"priority", strconv.Itoa(it.Priority)}, {"route", it.Route}, {"last reply", lastReply(it.LastCode, it.LastText)},
	}
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		if err := line("%-14s%s", r[0], r[1])(w); err != nil {
			return err
		}
	}
	return line("")(w)
}

// selectFlags lets a command name items; more than one way is refused later.
func selectFlags(cmd *cobra.Command, sel *queue.Selection, id *string) {
	f := cmd.Flags()
	f.StringVar(id, "id", "", "all recipients of the message with this queue `id`")
	f.StringVar(&sel.Domain, "domain", "", "everything for recipients of this `domain`")
	f.StringVar(&sel.Sender, "sender", "", "everything from this `address`; <> for delivery reports")
	f.BoolVar(&sel.All, "all", false, "everything")
}

// selection completes what the flags say by the argument.
func selection(sel queue.Selection, id string, args []string) (queue.Selection, error) {
	sel.Queue = queue.ID(id)
	if len(args) == 1 {
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return sel, fault.Newf(fault.Invalid, "%q is not the number of an item: see vanthu queue list; a queue id goes with --id", args[0])
		}
		sel.Item = queue.ItemID(n)
	}
	return sel, nil
}

func (c *cli) queueAct(act, short string) *cobra.Command {
	var sel queue.Selection
	var id string
	cmd := &cobra.Command{
		Use: act + " [ITEM]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			chosen, err := selection(sel, id, args)
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallQueueAct, control.QueueAct{Selection: chosen, Act: act}, printDone(act))
		}),
	}
	selectFlags(cmd, &sel, &id)
	return cmd
}

func printDone(act string) func(io.Writer, control.QueueDone) error {
	return func(w io.Writer, d control.QueueDone) error {
		if d.Busy > 0 {
			return line("%s: %d items; %d are under way just now and were left alone", act, d.Items, d.Busy)(w)
		}
		return line("%s: %d items", act, d.Items)(w)
	}
}

func (c *cli) queueRoute() *cobra.Command {
	var sel queue.Selection
	var id, via string
	cmd := &cobra.Command{
		Use: "route [ITEM]", Short: "Send what waits or is held by another way, and try it at once", Args: cobra.MaximumNArgs(1),
		Example: `  vanthu queue route --domain bo.example --via mail.tinh-khac.example
  vanthu queue route --domain bo.example --via ""     back to the domain's own way`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			chosen, err := selection(sel, id, args)
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallQueueAct, control.QueueAct{Selection: chosen, Act: string(queue.ActRoute), Route: via}, printDone("route"))
		}),
	}
	selectFlags(cmd, &sel, &id)
	cmd.Flags().StringVar(&via, "via", "", "`name` of a peer, or the domain of a configured route; empty for the domain's own way")
	must(cmd.MarkFlagRequired("via"))
	return cmd
}

func (c *cli) queueDrop() *cobra.Command {
	var sel queue.Selection
	var id string
	var quiet, dryRun bool
	cmd := &cobra.Command{
		Use: "drop [ITEM]", Short: "Take mail out of the queue for good; its senders get a delivery report", Args: cobra.MaximumNArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			chosen, err := selection(sel, id, args)
			if err != nil {
				return err
			}
			did := "drop"
			if dryRun {
				did = "would drop"
			}
			return answer(cmd, c, control.CallQueueAct, control.QueueAct{Selection: chosen, Act: "drop", Tell: !quiet, DryRun: dryRun}, printDone(did))
		}),
	}
	selectFlags(cmd, &sel, &id)
	f := cmd.Flags()
	f.BoolVar(&quiet, "quiet", false, "tell nobody")
	f.BoolVar(&dryRun, "dry-run", false, "only say how many would be dropped")
	return cmd
}
