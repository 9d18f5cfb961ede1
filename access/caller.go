// Package access is who calls and what he may do (rights, tokens, JSON Web Tokens, limits, the audit log), and does nothing of
// what it allows: package service asks it before each call.
package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"data-exhaust/exhaust"
)

// Caller is who calls, as his credentials say it.
type Caller struct {
	// Name is his token's name or his JSON Web Token's subject; "" where nobody is asked (EXHAUST_AUTH=none).
	Name string
	// TokenID is the id of his token; "" where he has none of this service's.
	TokenID string
	// RootID is the id of the token from which his was made, in the end; his own where it was made in the database. What is made
	// of one token is bounded together.
	RootID string
	// MayMakeTokens tells that his token may make others; one that was itself made by a long line of them may not.
	MayMakeTokens bool
	Rights
	// ExpiresAt is when his credentials end; zero where they do not.
	ExpiresAt time.Time
	// From is the address that he calls from; the zero address where that is not known.
	From netip.Addr
}

// Anybody is the caller where nobody is asked for credentials.
func Anybody(from netip.Addr) Caller { return Caller{Rights: operatorRights(), From: from} }

// Rights are what a caller may do. The zero Rights are none.
type Rights struct {
	// Operator sees the exhausts of every channel.
	Operator bool
	// Channels are those that he sees beside; what happens in another one is as if it did not exist.
	Channels []string
	// Datasets are those that he may ask for and whose files he may have.
	Datasets []DatasetRight
}

// DatasetRight is the right to a dataset.
type DatasetRight struct {
	Dataset exhaust.Dataset
	// Channel is the only one in which it holds; "" is each that the caller sees.
	Channel string
}

// OperatorRight is the operator's right by its name; it may be written as * too.
const OperatorRight = "operator"

// MaxChannels is how many channels a caller may have, the operator's aside, who sees all of them.
const MaxChannels = 100

func operatorRights() Rights {
	r := Rights{Operator: true}
	for _, dataset := range exhaust.Datasets {
		r.Datasets = append(r.Datasets, DatasetRight{Dataset: dataset})
	}
	return r
}

// ParseRights makes rights of channels and of the names of rights: a dataset, which holds in all of the channels, a dataset
// and @ and a channel, which holds in that one, or operator. An operator without a dataset has all of them. The error is an
// *exhaust.InvalidError.
func ParseRights(channels, names []string) (Rights, error) {
	var r Rights
	for _, channel := range channels {
		if err := r.addChannel(channel); err != nil {
			return Rights{}, err
		}
	}
	for _, name := range names {
		if isOperatorRight(name) {
			r.Operator = true
			continue
		}
		right, err := parseDatasetRight(name)
		if err != nil {
			return Rights{}, err
		}
		if right.Channel != "" {
			if err := r.addChannel(right.Channel); err != nil {
				return Rights{}, err
			}
		}
		if !slices.Contains(r.Datasets, right) {
			r.Datasets = append(r.Datasets, right)
		}
	}
	if len(r.Channels) > MaxChannels {
		return Rights{}, exhaust.Invalid(exhaust.TokenTooManyChannels, len(r.Channels), MaxChannels, OperatorRight)
	}
	if r.Operator && len(r.Datasets) == 0 {
		r.Datasets = operatorRights().Datasets
	}
	return r, nil
}

func (r *Rights) addChannel(channel string) error {
	if err := exhaust.CheckChannel(channel); err != nil {
		return exhaust.Invalid(exhaust.TokenChannelInvalid, channel)
	}
	if !slices.Contains(r.Channels, channel) {
		r.Channels = append(r.Channels, channel)
	}
	return nil
}

func parseDatasetRight(name string) (DatasetRight, error) {
	dataset, channel, isOfOne := strings.Cut(name, "@")
	if !slices.Contains(exhaust.Datasets, exhaust.Dataset(dataset)) || isOfOne && channel == "" {
		return DatasetRight{}, exhaust.Invalid(exhaust.TokenRightUnknown, name, exhaust.Names(exhaust.Datasets), OperatorRight)
	}
	return DatasetRight{Dataset: exhaust.Dataset(dataset), Channel: channel}, nil
}

// IsRight reports whether ParseRights takes a text for the name of a right.
func IsRight(name string) bool {
	_, err := parseDatasetRight(name)
	return err == nil || isOperatorRight(name)
}

func isOperatorRight(name string) bool { return name == OperatorRight || name == "*" }

// String is the right as ParseRights takes it.
func (d DatasetRight) String() string {
	if d.Channel == "" {
		return string(d.Dataset)
	}
	return fmt.Sprintf("%s@%s", d.Dataset, d.Channel)
}

// Names are the rights as ParseRights takes them; with Channels they say all.
func (r Rights) Names() []string {
	var names []string
	if r.Operator {
		names = append(names, OperatorRight)
	}
	for _, d := range r.Datasets {
		names = append(names, d.String())
	}
	return names
}

// Sees reports whether a channel exists for the caller.
func (r Rights) Sees(channel string) bool { return r.Operator || slices.Contains(r.Channels, channel) }

// May reports whether the caller may ask for a dataset of a channel, and have its files.
func (r Rights) May(channel string, dataset exhaust.Dataset) bool {
	return r.Sees(channel) && slices.ContainsFunc(r.Datasets, func(d DatasetRight) bool {
		return d.Dataset == dataset && (d.Channel == "" || d.Channel == channel)
	})
}

// Covers reports whether whoever has these rights may do all that others allow: nobody gives what he has not.
func (r Rights) Covers(others Rights) bool {
	if others.Operator && !r.Operator {
		return false
	}
	for _, channel := range others.Channels {
		if !r.Sees(channel) {
			return false
		}
	}
	for _, d := range others.Datasets {
		switch {
		case d.Channel != "":
			if !r.May(d.Channel, d.Dataset) {
				return false
			}
		case others.Operator:
			if !slices.Contains(r.Datasets, d) {
				return false
			}
		default:
			for _, channel := range others.Channels {
				if !r.May(channel, d.Dataset) {
					return false
				}
			}
		}
	}
	return true
}
