package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"data-exhaust/workflows"
)

// SearchAttributeNames are the names of the search attributes of an exhaust; all are keywords.
func SearchAttributeNames() []string {
	return []string{
		workflows.StatusAttribute.GetName(),
		workflows.TagAttribute.GetName(),
		workflows.ChannelAttribute.GetName(),
		workflows.DatasetAttribute.GetName(),
		workflows.ConversationAttribute.GetName(),
	}
}

// IsRefusal reports whether Temporal has answered what no retry heals: that the client may not, or that what it asks for
// is wrong.
func IsRefusal(err error) bool {
	var (
		denied *serviceerror.PermissionDenied
		wrong  *serviceerror.InvalidArgument
	)
	return errors.As(err, &denied) || errors.As(err, &wrong)
}

// RegisterSearchAttributes makes the search attributes known to a namespace, where they are not. It is an error until they
// can be used: ErrNotRegistered where they are missing and cannot be registered, ErrNotUsableYet for a moment after they
// were. Temporal Cloud does not let clients register them: there an operator does, once.
func RegisterSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
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
	if err := registerMissing(ctx, c, namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRegistered, err)
	}
	return ErrNotUsableYet
}

func registerMissing(ctx context.Context, c client.Client, namespace string) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("listing the search attributes of namespace %s: %w", namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range SearchAttributeNames() {
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
	return nil
}

// ErrNotRegistered is the error of RegisterSearchAttributes while Temporal does not know the attributes.
var ErrNotRegistered = errors.New("the search attributes are not registered")

// ErrNotUsableYet is the error of RegisterSearchAttributes until Temporal's caches know the new attributes.
var ErrNotUsableYet = errors.New("the search attributes are registered but cannot be used yet")

func everyAttribute() string {
	return strings.Join(SearchAttributeNames(), " = 'none' AND ") + " = 'none'"
}
