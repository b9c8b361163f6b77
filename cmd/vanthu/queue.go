package main

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/queue"
)

func (c *cli) queueCmd() *cobra.Command {
	return parent("queue", "Mail that must leave this server", c.queueList(),
		c.queueAct("hold", "Stop an item until it is released"),
		c.queueAct("release", "Let a held item go"),
		c.queueAct("retry", "Try a waiting item now"))
}

func (c *cli) queueList() *cobra.Command {
	var req control.QueueList
	var id string
	cmd := &cobra.Command{
		Use: "list", Short: "List what waits, is held or under way", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			req.QueueID = queue.ID(id)
			return answer(cmd, c, control.CallQueueList, req, func(w io.Writer, list []control.QueueItem) error {
				rows := make([][]string, len(list))
				for i, it := range list {
					rows[i] = []string{
						strconv.FormatInt(int64(it.ID), 10), string(it.Queue), "<" + it.From + ">", it.To, string(it.State),
						strconv.Itoa(it.Attempts), shownTime(it.Next), it.LastText,
					}
				}
				return table(w, []string{"ITEM", "QUEUE ID", "FROM", "TO", "STATE", "TRIES", "NEXT", "LAST REPLY"}, rows)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.All, "all", false, "also what is done or has failed")
	cmd.Flags().StringVar(&id, "id", "", "only the message with this queue `id`")
	return cmd
}

func (c *cli) queueAct(act, short string) *cobra.Command {
	return &cobra.Command{
		Use: act + " ITEM", Short: short, Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallQueueAct, control.QueueAct{ID: queue.ItemID(id), Act: act},
				func(w io.Writer, _ control.None) error { return line("item %d: %s done", id, act)(w) })
		}),
	}
}
