package console

import (
	"net/http"

	"github.com/gorilla/mux"

	"data-exhaust/service"
)

// routePreview adds the beginning of an exhaust's file. Phone numbers are shown to who posts its form: no link reveals them.
func (c *Console) routePreview(router *mux.Router, path string) {
	c.route(router, path, c.forReaders(c.showPreview), c.forReaders(c.revealPreview))
}

// previewPage shows the beginning of a file.
type previewPage struct {
	oneExhaust
	service.Preview
	// Fault is why there is none.
	Fault string
}

func (c *Console) showPreview(v *visit) error { return v.showPreview(service.PreviewOptions{}) }

func (c *Console) revealPreview(v *visit) error {
	return v.showPreview(service.PreviewOptions{Reveal: true})
}

func (v *visit) showPreview(options service.PreviewOptions) error {
	one, _, err := v.lookAtExhaust()
	if err != nil {
		return err
	}
	v.Title = v.T("preview.title", "name", isolate(one.Name))
	p := previewPage{oneExhaust: one}
	if p.Fault = one.absence(); p.Fault != "" {
		return v.show(http.StatusBadRequest, "preview", p)
	}
	p.Preview, err = v.Service.Preview(v.ctx(), v.caller, one.Job.Tag, one.Job.Channel, one.Job.ID, options)
	if p.Fault = v.faultOf(err); p.Fault != "" {
		return v.show(http.StatusBadRequest, "preview", p)
	}
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "preview", p)
}
