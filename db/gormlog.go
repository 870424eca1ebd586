package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// slowQuery is how long a query may take before the log warns about it.
const slowQuery = 2 * time.Second

// gormLogger writes what gorm has to say to zap: statements at debug, without
// the values that they carry; slow ones as warnings. Errors go to the caller, who
// logs them once.
type gormLogger struct {
	zap *zap.Logger
}

var (
	_ logger.Interface  = gormLogger{}
	_ gorm.ParamsFilter = gormLogger{}
)

func newGormLogger(z *zap.Logger) gormLogger {
	return gormLogger{zap: z.WithOptions(zap.WithCaller(false)).Named("gorm")}
}

// LogMode returns l itself: the level is zap's.
func (l gormLogger) LogMode(logger.LogLevel) logger.Interface { return l }

// Info logs at debug: what gorm finds worth telling concerns its users' developers.
func (l gormLogger) Info(_ context.Context, format string, args ...any) {
	l.zap.Debug(fmt.Sprintf(format, args...))
}

// Warn logs a warning of gorm's.
func (l gormLogger) Warn(_ context.Context, format string, args ...any) {
	l.zap.Warn(fmt.Sprintf(format, args...))
}

// Error logs an error that gorm does not return.
func (l gormLogger) Error(_ context.Context, format string, args ...any) {
	l.zap.Error(fmt.Sprintf(format, args...))
}

// Trace logs a statement that has ended.
func (l gormLogger) Trace(_ context.Context, begin time.Time, statement func() (string, int64), err error) {
	elapsed := time.Since(begin)
	level, message := zapcore.DebugLevel, "query"
	if elapsed >= slowQuery {
		level, message = zapcore.WarnLevel, "slow query"
	}
	entry := l.zap.Check(level, message)
	if entry == nil {
		return
	}
	text, rows := statement()
	fields := []zap.Field{zap.String("sql", text), zap.Int64("rows", rows), zap.Duration("elapsed", elapsed)}
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		fields = append(fields, zap.Bool("failed", true))
	}
	entry.Write(fields...)
}

// ParamsFilter takes the values out of what Trace gets to see.
func (l gormLogger) ParamsFilter(_ context.Context, statement string, _ ...any) (string, []any) {
	return statement, nil
}

// gorm's Scan records its statement with a logger of its own, which only this
// variable of gorm's reaches. It is set once, before anything can run.
func init() {
	logger.RecorderParamsFilter = func(_ context.Context, statement string, _ ...any) (string, []any) { return statement, nil }
}
