package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/service"
)

func newToken() *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "The tokens with which callers sign in: make, list and revoke them",
		Long: `The tokens with which callers sign in (EXHAUST_AUTH=tokens, docs/auth.md): make, list and revoke them.

They are kept in the database, without their secrets: whoever has EXHAUST_DATABASE_URL needs no token for it.
With --api the API is asked instead, with EXHAUST_TOKEN: a token that is made so allows no more than that one.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("say what to do; see `%s --help`", cmd.CommandPath())
		},
	}
	command.AddCommand(newTokenCreate(), newTokenList(), newTokenRevoke())
	return command
}

const tokensPath = "/dataset/v1/token"

func newTokenCreate() *cobra.Command {
	var (
		draft            service.TokenDraft
		datasets, rights []string
		base             string
		isOffline        bool
	)
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token and print it, once",
		Long: `Make a token and print it, alone on standard output, once: nothing keeps it.

--dataset holds in each --channel; with @ and a channel behind it, in that one. --right operator is for
every channel, and without a --dataset for both.`,
		Example: `  starter token create --name airflow --channel 01309282781705830427 --dataset uci-response-exhaust --expires 8760h
  starter token create --name asha --right operator --expires 720h`,
	}
	f := command.Flags()
	f.StringVar(&draft.Name, "name", "", "what the audit log calls whoever has it")
	f.StringArrayVar(&draft.Channels, "channel", nil, "a channel that it is for; may be repeated")
	f.StringArrayVar(&datasets, "dataset", nil, "a dataset that it is for; may be repeated")
	f.StringArrayVar(&rights, "right", nil, "operator")
	f.DurationVar(&draft.Life, "expires", 0, "for how long it counts (default: 720h, or for as long as that with which the API makes it)")
	f.StringVar(&base, "api", "", "ask the API at this URL, with EXHAUST_TOKEN, instead of the database")
	f.BoolVar(&isOffline, "offline", false, "keep it nowhere, and print to standard error the line that stands for it in a file (EXHAUST_TOKEN_STORE)")
	command.MarkFlagsMutuallyExclusive("api", "offline")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		draft.Rights = append(datasets, rights...)
		if cmd.Flags().Changed("expires") && draft.Life <= 0 {
			return usage("--expires is %s: a duration such as 720h is accepted", draft.Life)
		}
		var (
			token  tokenInfo
			secret string
			err    error
		)
		switch {
		case base != "":
			token, err = createTokenByAPI(cmd.Context(), base, draft)
			secret = token.Token
		case isOffline:
			return createTokenOffline(cmd, draft)
		default:
			err = withTokens(cmd.Context(), func(tokens *service.Tokens) error {
				made, itsSecret, err := tokens.Create(cmd.Context(), draft)
				token, secret = tokenInfoOf(made), itsSecret
				return err
			})
		}
		if err != nil {
			return apiErrorCode(usageOf(err))
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "token %s (%s) expires on %s; it is not shown again:\n", token.TokenID, token.Name, utcOf(token.Expires))
		fmt.Fprintln(cmd.OutOrStdout(), secret)
		return nil
	}
	return command
}

func createTokenByAPI(ctx context.Context, base string, draft service.TokenDraft) (tokenInfo, error) {
	api := apiClient{base: base}
	request := map[string]any{"name": draft.Name, "channels": append([]string{}, draft.Channels...), "rights": append([]string{}, draft.Rights...)}
	if draft.Life != 0 {
		request["expires"] = draft.Life.String()
	}
	answer, err := api.send(ctx, http.MethodPost, tokensPath, request)
	if err != nil {
		return tokenInfo{}, err
	}
	return result[tokenInfo](answer)
}

func createTokenOffline(cmd *cobra.Command, draft service.TokenDraft) error {
	token, secret, err := service.NewToken(draft, time.Now())
	if err != nil {
		return usageOf(err)
	}
	line, err := access.FileEntry(token)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), line)
	fmt.Fprintln(cmd.OutOrStdout(), secret)
	return nil
}

func newTokenList() *cobra.Command {
	var base string
	command := &cobra.Command{Use: "list", Short: "List tokens, the newest first; never their secrets"}
	command.Flags().StringVar(&base, "api", "", "ask the API at this URL, with EXHAUST_TOKEN, instead of the database")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		var tokens []tokenInfo
		err := func() error {
			if base == "" {
				return withTokens(cmd.Context(), func(kept *service.Tokens) error {
					all, err := kept.List(cmd.Context())
					for _, token := range all {
						tokens = append(tokens, tokenInfoOf(token))
					}
					return err
				})
			}
			api := apiClient{base: base}
			answer, err := api.call(cmd.Context(), http.MethodGet, tokensPath, nil, nil)
			if err != nil {
				return err
			}
			list, err := result[struct{ Tokens []tokenInfo }](answer)
			tokens = list.Tokens
			return err
		}()
		if err != nil {
			return apiErrorCode(err)
		}
		return printTable(cmd, "ID\tNAME\tCHANNELS\tRIGHTS\tEXPIRES\tSTATE", tokens, func(t tokenInfo) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", t.TokenID, t.Name, cmp.Or(strings.Join(t.Channels, ","), "-"), strings.Join(t.Rights, ","), utcOf(t.Expires), t.state())
		})
	}
	return command
}

func newTokenRevoke() *cobra.Command {
	var base string
	command := &cobra.Command{
		Use: "revoke ID|NAME|TOKEN", Short: "End a token, and those that were made with it, at once", Args: cobra.ExactArgs(1),
	}
	command.Flags().StringVar(&base, "api", "", "ask the API at this URL, with EXHAUST_TOKEN, instead of the database")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var token tokenInfo
		err := func() error {
			if base == "" {
				return withTokens(cmd.Context(), func(tokens *service.Tokens) error {
					revoked, err := tokens.Revoke(cmd.Context(), args[0])
					token = tokenInfoOf(revoked)
					return err
				})
			}
			api := apiClient{base: base}
			answer, err := api.call(cmd.Context(), http.MethodDelete, tokensPath+"/"+url.PathEscape(args[0]), nil, nil)
			if err != nil {
				return err
			}
			token, err = result[tokenInfo](answer)
			return err
		}()
		if err == service.ErrNoToken {
			return &codedError{exitNotFound, fmt.Errorf("there is no token %q", args[0])}
		}
		if err != nil {
			return apiErrorCode(err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "revoked %s (%s)\n", token.TokenID, token.Name)
		return nil
	}
	return command
}

// withTokens calls do with the tokens in the database.
func withTokens(ctx context.Context, do func(*service.Tokens) error) error {
	cfg, err := loadSettings()
	if err != nil {
		return err
	}
	return app.Tokens(ctx, cfg, do)
}

// usageOf gives a mistake in what was asked for the exit code of wrong use.
func usageOf(err error) error {
	if _, isInvalid := err.(*exhaust.InvalidError); isInvalid {
		return &codedError{exitUsage, err}
	}
	return err
}

// tokenInfo is a token as the API shows it. Times are epoch milliseconds, 0 where there is none.
type tokenInfo struct {
	TokenID  string   `json:"tokenId"`
	Name     string   `json:"name"`
	Channels []string `json:"channels"`
	Rights   []string `json:"rights"`
	Expires  int64    `json:"expires"`
	Revoked  int64    `json:"revoked"`
	Token    string   `json:"token"`
}

func tokenInfoOf(t access.Token) tokenInfo {
	info := tokenInfo{TokenID: t.ID, Name: t.Name, Channels: t.Channels, Rights: t.Names(), Expires: t.ExpiresAt.UnixMilli()}
	if !t.RevokedAt.IsZero() {
		info.Revoked = t.RevokedAt.UnixMilli()
	}
	return info
}

func (t tokenInfo) state() string {
	switch {
	case t.Revoked != 0:
		return "revoked on " + utcOf(t.Revoked)
	case t.Expires <= time.Now().UnixMilli():
		return "expired"
	}
	return "counts"
}

func utcOf(milliseconds int64) string {
	return time.UnixMilli(milliseconds).UTC().Format("2006-01-02 15:04 UTC")
}
