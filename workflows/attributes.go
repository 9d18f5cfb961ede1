package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// AttributeNames are the names of the search attributes of an exhaust; all are keywords.
func AttributeNames() []string {
	return []string{
		StatusAttribute.GetName(),
		TagAttribute.GetName(),
		ChannelAttribute.GetName(),
		DatasetAttribute.GetName(),
		ConversationAttribute.GetName(),
	}
}

// RegisterSearchAttributes makes the search attributes known to a namespace, where they are not, and
// returns when they can be used. It waits, until the context ends, for a Temporal that is not up yet.
// Temporal Cloud does not let clients register them: there an operator does, once.
func RegisterSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	for {
		err := registerOnce(ctx, c, namespace)
		var (
			denied *serviceerror.PermissionDenied
			wrong  *serviceerror.InvalidArgument
		)
		if err == nil || errors.As(err, &denied) || errors.As(err, &wrong) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func registerOnce(ctx context.Context, c client.Client, namespace string) error {
	usable := func() error {
		_, err := c.WorkflowService().ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: namespace, PageSize: 1, Query: everyAttribute(),
		})
		return err
	}
	var unknown *serviceerror.InvalidArgument
	if err := usable(); !errors.As(err, &unknown) {
		return err
	}
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("listing the search attributes of namespace %s: %w", namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range AttributeNames() {
		switch known.GetCustomAttributes()[name] {
		case enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED:
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		case enumspb.INDEXED_VALUE_TYPE_KEYWORD:
		default:
			return serviceerror.NewInvalidArgumentf("search attribute %s of namespace %s is not a Keyword", name, namespace)
		}
	}
	if len(missing) > 0 {
		_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace: namespace, SearchAttributes: missing,
		})
		var exists *serviceerror.AlreadyExists
		if err != nil && !errors.As(err, &exists) {
			return fmt.Errorf("registering search attributes in namespace %s: %w", namespace, err)
		}
	}
	return errNotUsableYet
}

// errNotUsableYet is until Temporal's caches know the new attributes.
var errNotUsableYet = errors.New("the search attributes are registered but cannot be used yet")

func everyAttribute() string {
	query := ""
	for _, name := range AttributeNames() {
		if query != "" {
			query += " AND "
		}
		query += name + " = 'none'"
	}
	return query
}
