package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/user"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// row is the users table as a team would model it.
type row struct {
	ID        string `gorm:"type:uuid;default:gen_random_uuid();primaryKey"`
	ClerkID   string `gorm:"uniqueIndex"`
	Email     *string
	FirstName *string
	LastName  *string
	Username  *string
	ImageURL  *string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TableName is gorm's hook.
func (row) TableName() string { return "users" }

// baseline is the loop that a team writes in an afternoon: the SDK's list by
// offset, five hundred at a time, and gorm.
func baseline(ctx context.Context, how string) error {
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db = db.WithContext(ctx)
	api := os.Getenv("CLERK_API_URL")
	users := user.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{Key: clerk.String(os.Getenv("CLERK_SECRET_KEY")), URL: &api}})
	for offset := int64(0); ; offset += 500 {
		params := &user.ListParams{OrderBy: clerk.String("+created_at")}
		params.Limit, params.Offset = clerk.Int64(500), clerk.Int64(offset)
		page, err := users.List(ctx, params)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		if len(page.Users) == 0 {
			return nil
		}
		if err := store(db, how, page.Users); err != nil {
			return fmt.Errorf("store users: %w", err)
		}
	}
}

func store(db *gorm.DB, how string, users []*clerk.User) error {
	rows := make([]row, len(users))
	for i, u := range users {
		rows[i] = row{ClerkID: u.ID, Email: primaryEmail(u), FirstName: u.FirstName, LastName: u.LastName, Username: u.Username, ImageURL: u.ImageURL}
	}
	switch how {
	case "batches":
		return db.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 500).Error
	case "firstorcreate":
		for i := range rows {
			if err := db.Where("clerk_id = ?", rows[i].ClerkID).FirstOrCreate(&rows[i]).Error; err != nil {
				return err
			}
		}
		return nil
	default:
		return errors.New("unknown contender " + how)
	}
}

func primaryEmail(u *clerk.User) *string {
	for _, e := range u.EmailAddresses {
		if u.PrimaryEmailAddressID != nil && e.ID == *u.PrimaryEmailAddressID {
			return &e.EmailAddress
		}
	}
	return nil
}
