package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/discover"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func (p *Program) initCommand() *cobra.Command {
	var write, force bool
	cmd := &cobra.Command{
		Use: "init", Short: "Look at the database and propose the configuration", Args: noArguments,
		Long: `Init looks at the database in DATABASE_URL, finds the table of your users and the
column of Clerk's ids, and prints a configuration for it with the reason of each
line. It changes nothing in the database. With CLERK_SECRET_KEY set it asks Clerk
whether it knows ids that are there already, a hundred at most, and compares those
rows, so that its reasons are better.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if force && !write {
				return usage(errors.New("--force needs --write"))
			}
			return p.init(cmd.Context(), write, force)
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "save it as config.yaml, or as --config says, rather than print it")
	cmd.Flags().BoolVar(&force, "force", false, "with --write: over a file that exists")
	return cmd
}

func (p *Program) init(ctx context.Context, write, force bool) error {
	path := p.configTarget()
	if _, err := os.Stat(path); write && !force && err == nil {
		return usage(fmt.Errorf("%s exists: look at the proposal without --write, or replace it with --write --force", path))
	}
	a, err := p.configureBare()
	if err != nil {
		return err
	}
	defer a.close()
	proposal, err := a.propose(ctx)
	if err != nil {
		return err
	}
	text := proposal.Render()
	if !write {
		_, err := fmt.Fprint(p.Stdout, text)
		return err
	}
	if err := writeConfig(path, text, force); err != nil {
		return err
	}
	p.say("wrote %s: table %s, Clerk's ids in %s, %d columns compared, %d filled for new rows", path,
		proposal.Table, proposal.Key.Column, len(proposal.Columns), len(proposal.OnInsert))
	for _, note := range proposal.Notes {
		p.say("note: %s", note)
	}
	if n := proposal.Unsure(); n > 0 {
		p.say("look at what is marked GUESS, which init could not know: %d", n)
	}
	if n := len(proposal.Open); n > 0 {
		p.say("write what is marked TODO, without which nothing can be inserted: %d", n)
	}
	p.say("next: rollcall check, then rollcall --once --dry-run")
	return nil
}

// configTarget is the file that --write writes.
func (p *Program) configTarget() string {
	if p.configPath != "" {
		return p.configPath
	}
	if path, _ := p.Env("ROLLCALL_CONFIG"); path != "" {
		return path
	}
	return "config.yaml"
}

// configureBare reads the environment alone: a configuration that is there is
// what init is to replace, and may be wrong.
func (p *Program) configureBare() (*app, error) {
	env := func(name string) (string, bool) {
		switch name {
		case "ROLLCALL_CONFIG", "ROLLCALL_CONFIG_YAML":
			return "", false
		}
		return p.Env(name)
	}
	readFile := func(path string) ([]byte, error) {
		if path == "config.yaml" {
			return nil, fs.ErrNotExist
		}
		return os.ReadFile(path)
	}
	cfg, err := config.Load(config.Options{Env: env, EnvFile: p.envFile, ReadFile: readFile, Need: config.NeedDatabase})
	var problems config.Errors
	if errors.As(err, &problems) && slices.ContainsFunc(problems, func(p config.Problem) bool {
		return p.Key == "database.url" && strings.HasSuffix(p.Message, "is not set")
	}) {
		return nil, usage(errors.New("DATABASE_URL is not set: " + p.urlHint()))
	}
	if err != nil {
		return nil, usage(err)
	}
	log, err := newLogger(p.Stderr, cfg.Log.Level, cfg.Log.Format, p.Terminal)
	if err != nil {
		return nil, usage(err)
	}
	return &app{p: p, cfg: cfg, log: log, proof: &reconcile.Proof{}}, nil
}

// urlHint says where the database's URL may be.
func (p *Program) urlHint() string {
	for _, name := range []string{"POSTGRES_URL", "DIRECT_URL", "POSTGRES_PRISMA_URL", "DATABASE_DIRECT_URL", "SUPABASE_DB_URL", "NEON_DATABASE_URL"} {
		if _, ok := p.Env(name); ok {
			return fmt.Sprintf("is it what %s holds? Then: DATABASE_URL=\"$%s\" rollcall init", name, name)
		}
	}
	for _, file := range []string{".env.local", ".env"} {
		if _, err := os.Stat(file); err == nil {
			return fmt.Sprintf("there is a file %s, which is read with: rollcall init --env-file %s", file, file)
		}
	}
	return "set it to your app's database, postgres://... or sqlite://file.db, or name a .env file with --env-file"
}

// propose looks at the database and decides.
func (a *app) propose(ctx context.Context) (discover.Proposal, error) {
	if err := mustExist(a.cfg.Database.URL.Reveal()); err != nil {
		return discover.Proposal{}, err
	}
	conn, err := a.connect(ctx, a.cfg.Database.URL)
	if err != nil {
		return discover.Proposal{}, err
	}
	catalog, err := db.Survey(ctx, conn)
	if err != nil {
		return discover.Proposal{}, err
	}
	sample := a.sampler(ctx, conn)
	judged := discover.Judge(discover.Candidates(&catalog), func(c discover.Candidate) discover.Sample {
		return sample(c.Relation, c.Column.Name)
	})
	if err := ctx.Err(); err != nil {
		return discover.Proposal{}, err
	}
	accepted := discover.Accepted(judged)
	if len(accepted) == 0 {
		return discover.Proposal{}, usage(errors.New(discover.Nothing(&catalog, judged)))
	}
	asker := &asker{in: a.p.Stdin, out: a.p.Stderr}
	chosen, unsure := asker.choose(accepted)
	proposal := discover.Propose(&catalog, chosen, sample, asker.ask())
	if err := ctx.Err(); err != nil {
		return discover.Proposal{}, err
	}
	if unsure {
		proposal.Key.Unsure = true
		proposal.Key.Reason += "; others are nearly as likely, see the end of this file"
	}
	a.consult(ctx, conn, &proposal, sample(chosen.Relation, chosen.Column.Name).Values)
	for _, c := range judged {
		if c.Interesting() && c.String() != chosen.String() && len(proposal.Others) < 20 {
			proposal.Others = append(proposal.Others, c)
		}
	}
	return proposal, nil
}

// mustExist refuses a SQLite file that is not there: to open it would make it.
// What else may be wrong with the URL is told when it is opened.
func mustExist(url string) error {
	target, _, err := db.ParseURL(url)
	if err != nil || target.Dialect != db.SQLite {
		return nil //nolint:nilerr // see above
	}
	path := strings.TrimPrefix(target.String(), "sqlite://")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("there is no file %s: name the app's own database in DATABASE_URL, from the folder that you are in", path))
	}
	return nil
}

// sampleSize is how many values of a column are looked at, and sampleBudget how
// long all of them may take: many columns without a value in many large tables.
const (
	sampleSize   = 200
	sampleBudget = 45 * time.Second
)

// sampler returns a function that samples columns, each once. What cannot be
// read, or not in time, is unknown, and not empty.
func (a *app) sampler(ctx context.Context, conn *db.Conn) func(*db.Relation, string) discover.Sample {
	seen := map[string]discover.Sample{}
	end := time.Now().Add(sampleBudget)
	return func(r *db.Relation, column string) discover.Sample {
		key := r.Ident + "." + column
		if known, ok := seen[key]; ok {
			return known
		}
		out := discover.Sample{Unknown: true}
		if c := r.Column(column); c != nil && c.Readable && time.Now().Before(end) {
			values, err := db.Sample(ctx, conn, *r, column, sampleSize)
			if err == nil {
				out = discover.Sample{Values: values}
			} else {
				a.log.Warn("a column is judged by its name alone", zap.Error(err))
			}
		}
		seen[key] = out
		return out
	}
}
