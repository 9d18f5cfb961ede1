package rest

import (
	"net/http"

	"data-exhaust/access"
)

// receiptKey is a public key that receipts are signed with.
type receiptKey struct {
	ID        string `json:"keyId"`
	Algorithm string `json:"algorithm"`
	// PublicKey is the base64 of its 32 bytes.
	PublicKey string `json:"publicKey"`
	// AddedAt is when the first receipt was signed with it, in epoch milliseconds.
	AddedAt int64 `json:"addedAt"`
}

type receiptKeyList struct {
	Count int          `json:"count"`
	Keys  []receiptKey `json:"keys"`
}

// receiptKeys answers the keys that receipts were signed with: also those that are not used any more, whose receipts may
// still be around. They are no secret.
func (s *Server) receiptKeys(r *http.Request, c access.Caller) (any, error) {
	keys, err := s.service.ReceiptKeys(r.Context(), c)
	list := receiptKeyList{Count: len(keys), Keys: make([]receiptKey, len(keys))}
	for i, key := range keys {
		list.Keys[i] = receiptKey{ID: key.ID, Algorithm: "Ed25519", PublicKey: key.Key, AddedAt: key.AddedAt.UnixMilli()}
	}
	return list, err
}
