//! A collector of the test's own: takes spans and metrics by OTLP, over HTTP or gRPC, and keeps them.
use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceRequest,
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::any_value::Value,
};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;

use super::{beside, eventually};

/// A span, as far as tests ask about it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    /// Which node it is of.
    pub(crate) node: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it began the trace.
    pub(crate) parent: String,
    /// Whether it came to nothing.
    pub(crate) failed: bool,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

#[derive(Default)]
struct Taken {
    spans: Mutex<Vec<Span>>,
    metrics: Mutex<Vec<String>>,
}

pub(crate) struct Sink {
    taken: Arc<Taken>,
    address: SocketAddr,
}

impl Sink {
    pub(crate) async fn http() -> Self {
        Self::start(|listener, taken| async move {
            let router = Router::new()
                .route("/v1/traces", post(take_spans))
                .route("/v1/metrics", post(take_metrics))
                .with_state(taken);
            axum::serve(listener, router).await.unwrap();
        })
        .await
    }

    pub(crate) async fn grpc() -> Self {
        Self::start(|listener, taken| async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(Grpc(taken)))
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        })
        .await
    }

    async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl FnOnce(TcpListener, Arc<Taken>) -> F,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<Taken>::default();
        beside(serve(listener, taken.clone()));
        Self { taken, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.spans.lock().clone()
    }

    /// The spans of one name, once there are so many.
    pub(crate) async fn has(&self, count: usize, name: &str) -> Vec<Span> {
        let named = || async {
            let spans: Vec<Span> = self.spans().into_iter().filter(|s| s.name == name).collect();
            (spans.len() >= count).then_some(spans)
        };
        let spans = eventually(&format!("{count} spans {name}"), named).await;
        assert_eq!(spans.len(), count, "{spans:?}");
        spans
    }

    /// Waits for a metric of this name.
    pub(crate) async fn has_metric(&self, name: &str) {
        let there = || async { self.taken.metrics.lock().iter().any(|m| m == name).then_some(()) };
        eventually(&format!("the metric {name}"), there).await;
    }
}

async fn take_spans(State(taken): State<Arc<Taken>>, body: Bytes) {
    keep(&taken, ExportTraceServiceRequest::decode(body).unwrap());
}

async fn take_metrics(State(taken): State<Arc<Taken>>, body: Bytes) {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
    taken.metrics.lock().extend(names);
}

struct Grpc(Arc<Taken>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        keep(&self.0, request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn keep(taken: &Taken, request: ExportTraceServiceRequest) {
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        let node = attributes.into_iter().find(|a| a.key == "service.instance.id").unwrap();
        let Some(Value::StringValue(node)) = node.value.unwrap().value else { panic!("no text") };
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
            taken.spans.lock().push(Span {
                name: span.name,
                node: node.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                failed: span.status.is_some_and(|status| status.code == 2),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
            });
        }
    }
}
