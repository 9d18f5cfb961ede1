package main

import (
	"cmp"
	"context"
	"errors"
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
		store            tokenStore
		draft            service.TokenDraft
		datasets, rights []string
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
	store.add(command)
	f := command.Flags()
	f.StringVar(&draft.Name, "name", "", "what the audit log calls whoever has it")
	f.StringArrayVar(&draft.Channels, "channel", nil, "a channel that it is for; may be repeated")
	f.StringArrayVar(&datasets, "dataset", nil, "a dataset that it is for; may be repeated")
	f.StringArrayVar(&rights, "right", nil, "operator")
	f.DurationVar(&draft.Life, "expires", 0, "for how long it counts (default: 720h, or for as long as that with which the API makes it)")
	f.BoolVar(&isOffline, "offline", false, "keep it nowhere, and print to standard error the line that stands for it in a file (EXHAUST_TOKEN_STORE)")
	command.MarkFlagsMutuallyExclusive("api", "offline")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		draft.Rights = append(datasets, rights...)
		if cmd.Flags().Changed("expires") && draft.Life <= 0 {
			return usage("--expires is %s: a duration such as 720h is accepted", draft.Life)
		}
		if isOffline {
			return createTokenOffline(cmd, draft)
		}
		token, err := store.create(cmd.Context(), draft)
		if err != nil {
			return tokenError(err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "token %s (%s) expires on %s; it is not shown again:\n", token.TokenID, token.Name, utcOf(token.Expires))
		fmt.Fprintln(cmd.OutOrStdout(), token.Token)
		return nil
	}
	return command
}

func createTokenOffline(cmd *cobra.Command, draft service.TokenDraft) error {
	token, secret, err := service.NewToken(draft, time.Now())
	if err != nil {
		return tokenError(err)
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
	var store tokenStore
	command := &cobra.Command{Use: "list", Short: "List tokens, the newest first; never their secrets"}
	store.add(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		tokens, err := store.list(cmd.Context())
		if err != nil {
			return tokenError(err)
		}
		return printTable(cmd, "ID\tNAME\tCHANNELS\tRIGHTS\tEXPIRES\tSTATE", tokens, func(t tokenInfo) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", t.TokenID, t.Name, cmp.Or(strings.Join(t.Channels, ","), "-"), strings.Join(t.Rights, ","), utcOf(t.Expires), t.state())
		})
	}
	return command
}

func newTokenRevoke() *cobra.Command {
	var store tokenStore
	command := &cobra.Command{
		Use: "revoke ID|NAME|TOKEN", Short: "End a token, and those that were made with it, at once", Args: cobra.ExactArgs(1),
	}
	store.add(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		token, err := store.revoke(cmd.Context(), args[0])
		if err != nil {
			return tokenError(err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "revoked %s (%s)\n", token.TokenID, token.Name)
		return nil
	}
	return command
}

// tokenError gives an error of the database or of the API its exit code.
func tokenError(err error) error {
	if _, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		return &codedError{exitUsage, err}
	}
	if errors.Is(err, service.ErrNoToken) {
		return &codedError{exitNotFound, err}
	}
	return apiErrorCode(err)
}

// tokenStore is where tokens are made, listed and revoked.
type tokenStore struct {
	// api is the URL of the API; "" is the database.
	api string
}

func (s *tokenStore) add(command *cobra.Command) {
	command.Flags().StringVar(&s.api, "api", "", "ask the API at this URL, with EXHAUST_TOKEN, instead of the database")
}

func (s *tokenStore) create(ctx context.Context, draft service.TokenDraft) (made tokenInfo, err error) {
	if s.api == "" {
		err = withTokens(ctx, func(tokens *service.Tokens) error {
			token, secret, err := tokens.Create(ctx, draft)
			made = tokenInfoOf(token)
			made.Token = secret
			return err
		})
		return made, err
	}
	request := map[string]any{"name": draft.Name, "channels": append([]string{}, draft.Channels...), "rights": append([]string{}, draft.Rights...)}
	if draft.Life != 0 {
		request["expires"] = draft.Life.String()
	}
	answer, err := s.client().send(ctx, http.MethodPost, tokensPath, request)
	if err != nil {
		return tokenInfo{}, err
	}
	return result[tokenInfo](answer)
}

func (s *tokenStore) list(ctx context.Context) (listed []tokenInfo, err error) {
	if s.api == "" {
		err = withTokens(ctx, func(tokens *service.Tokens) error {
			all, err := tokens.List(ctx)
			for _, token := range all {
				listed = append(listed, tokenInfoOf(token))
			}
			return err
		})
		return listed, err
	}
	answer, err := s.client().call(ctx, http.MethodGet, tokensPath, nil, nil)
	if err != nil {
		return nil, err
	}
	list, err := result[struct{ Tokens []tokenInfo }](answer)
	return list.Tokens, err
}

func (s *tokenStore) revoke(ctx context.Context, which string) (revoked tokenInfo, err error) {
	if s.api == "" {
		err = withTokens(ctx, func(tokens *service.Tokens) error {
			token, err := tokens.Revoke(ctx, which)
			revoked = tokenInfoOf(token)
			return err
		})
		return revoked, err
	}
	answer, err := s.client().call(ctx, http.MethodDelete, tokensPath+"/"+url.PathEscape(which), nil, nil)
	if err != nil {
		return tokenInfo{}, err
	}
	return result[tokenInfo](answer)
}

func (s *tokenStore) client() *apiClient { return &apiClient{base: s.api} }

// withTokens calls do with the tokens in the database.
func withTokens(ctx context.Context, do func(*service.Tokens) error) error {
	cfg, err := loadSettings()
	if err != nil {
		return err
	}
	return app.Tokens(ctx, cfg, do)
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
