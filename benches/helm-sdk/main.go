// The rival: renders a chart with Helm's own SDK, the chart loaded once, and prints how long each
// render took. The Rust side of the benchmark does the same work and compares the bytes.
//
//	helm-sdk -chart FILE -renders N -workers W [-distinct PATH] VALUES...
package main

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"helm.sh/helm/v4/pkg/strvals"
)

type result struct {
	LoadNanos    int64    `json:"load_nanos"`
	RenderNanos  []int64  `json:"render_nanos"`
	TotalNanos   int64    `json:"total_nanos"`
	PeakRSSBytes int64    `json:"peak_rss_bytes"`
	SHA256       []string `json:"sha256"`
	Bytes        int      `json:"bytes"`
}

// compared is how many renders are compared with ours.
const compared = 12

func main() {
	log.SetFlags(0)
	chartPath := flag.String("chart", "", "the chart archive")
	renders := flag.Int("renders", 10, "how many renders")
	workers := flag.Int("workers", 1, "how many at a time")
	distinct := flag.String("distinct", "", "the value that differs from render to render, such as labels.team")
	release := flag.String("release", "airflow", "the release's name")
	flag.Parse()
	runtime.GOMAXPROCS(max(*workers, 1))

	started := time.Now()
	loaded, err := loader.Load(*chartPath)
	if err != nil {
		log.Fatal(err)
	}
	var texts []string
	for _, name := range flag.Args() {
		text, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if err := chartutil.ProcessDependencies(loaded, values(texts, "", 0)); err != nil {
		log.Fatal(err)
	}
	out := result{
		LoadNanos:   time.Since(started).Nanoseconds(),
		RenderNanos: make([]int64, *renders),
		SHA256:      make([]string, min(*renders, compared)),
	}

	started = time.Now()
	jobs := make(chan int)
	var done sync.WaitGroup
	for range *workers {
		done.Go(func() {
			for index := range jobs {
				before := time.Now()
				text := render(loaded, *release, texts, *distinct, index)
				out.RenderNanos[index] = time.Since(before).Nanoseconds()
				if index < len(out.SHA256) {
					out.SHA256[index] = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
				}
				if index == 0 {
					out.Bytes = len(text)
				}
			}
		})
	}
	for index := range *renders {
		jobs <- index
	}
	close(jobs)
	done.Wait()
	out.TotalNanos = time.Since(started).Nanoseconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err == nil {
		out.PeakRSSBytes = usage.Maxrss * 1024
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

// values parses the values texts afresh, as a service does for each request, and sets the value
// that differs from render to render.
func values(texts []string, distinct string, index int) map[string]any {
	merged := map[string]any{}
	for _, text := range texts {
		parsed, err := loader.LoadValues(strings.NewReader(text))
		if err != nil {
			log.Fatal(err)
		}
		merged = loader.MergeMaps(merged, parsed)
	}
	if distinct != "" {
		if err := strvals.ParseIntoString(fmt.Sprintf("%s=team-%d", distinct, index), merged); err != nil {
			log.Fatal(err)
		}
	}
	return merged
}

// render is one whole render: values, schema, templates, sorting, the text of `helm template`.
func render(loaded *chart.Chart, release string, texts []string, distinct string, index int) string {
	options := common.ReleaseOptions{Name: release, Namespace: "airflow", Revision: 1, IsInstall: true}
	caps := common.DefaultCapabilities
	top, err := commonutil.ToRenderValues(loaded, values(texts, distinct, index), options, caps)
	if err != nil {
		log.Fatal(err)
	}
	files, err := engine.Render(loaded, top)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range slices.Collect(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	for _, manifest := range manifests {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", manifest.Name, manifest.Content)
	}
	for _, hook := range hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String()
}
