/// What a metric is called, and what it says: for backends that show it, and for dashboards that are held against it.
public struct MetricDescription: Sendable, Hashable {
    /// How a metric behaves.
    public enum Kind: String, Sendable, Hashable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// Durations, in seconds.
        case duration
    }

    /// Its name.
    public var name: String
    /// How it behaves.
    public var kind: Kind
    /// What it says, in a line.
    public var help: String
    /// The names of its labels. What each may be is a closed set (`Specs/Metrics.md`).
    public var labels: [String]

    /// Takes every part.
    public init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

extension HostMetrics {
    /// Every metric that a host has.
    public static let catalogue: [MetricDescription] = Names.all
}

/// The metrics of a host.
enum Names {
    static let connections = MetricDescription(
        "p2p_connections", .gauge, labels: ["transport", "security", "muxer", "direction"], "Connections that live.")
    static let connectionsOpened = MetricDescription(
        "p2p_connections_opened_total", .counter, labels: ["transport", "security", "muxer", "direction"], "Connections that became ready.")
    static let connectionsClosed = MetricDescription(
        "p2p_connections_closed_total", .counter, labels: ["transport", "direction", "reason"], "Connections that ended, by their reason.")
    static let connectionDuration = MetricDescription(
        "p2p_connection_duration_seconds", .duration, labels: ["transport", "direction"], "How long connections lived that have ended.")
    static let bytes = MetricDescription(
        "p2p_bytes_total", .counter, labels: ["transport", "direction"],
        "Bytes of all connections, within encryption, muxer frames included.")
    static let congestionEvents = MetricDescription(
        "p2p_congestion_events_total", .counter, labels: ["transport"],
        "How often losses made connections send more slowly, as far as it was seen; QUIC only.")
    static let roundTrip = MetricDescription(
        "p2p_round_trip_seconds", .gauge, labels: ["transport", "percentile"], "Smoothed round trips of the connections that live.")

    static let dials = MetricDescription(
        "p2p_dials_total", .counter, labels: ["outcome", "reason"], "Dials that ended, each with all of its addresses.")
    static let dialDuration = MetricDescription(
        "p2p_dial_duration_seconds", .duration, labels: ["outcome"], "How long dials took.")
    static let attempts = MetricDescription(
        "p2p_dial_attempts_total", .counter, labels: ["transport", "outcome", "reason"], "Addresses that dials tried.")
    static let attemptDuration = MetricDescription(
        "p2p_dial_attempt_duration_seconds", .duration, labels: ["transport", "outcome"], "How long an address took, handshakes included.")
    static let arrivals = MetricDescription(
        "p2p_arrivals_total", .counter, labels: ["transport", "outcome", "reason"],
        "Arrivals that were accepted, refused, or whose handshakes failed.")
    static let arrivalDuration = MetricDescription(
        "p2p_arrival_duration_seconds", .duration, labels: ["transport", "outcome"], "How long an arrival took, handshakes included.")
    static let stepDuration = MetricDescription(
        "p2p_upgrade_step_duration_seconds", .duration, labels: ["step", "outcome"], "How long each step took on the way to a connection.")
    static let pendingArrivals = MetricDescription("p2p_pending_arrivals", .gauge, "Arrivals whose handshakes are not done.")
    static let pendingDials = MetricDescription("p2p_pending_dials", .gauge, "Dials that are under way.")

    static let streams = MetricDescription(
        "p2p_streams", .gauge, labels: ["protocol", "direction"], "Streams that live, of protocols that are agreed on.")
    static let streamsOpened = MetricDescription(
        "p2p_streams_opened_total", .counter, labels: ["protocol", "direction"], "Streams that were opened, or served.")
    static let streamFailures = MetricDescription(
        "p2p_stream_failures_total", .counter, labels: ["protocol", "direction", "reason"],
        "Streams that could not be opened, or whose handler failed.")
    static let servedDuration = MetricDescription(
        "p2p_served_stream_duration_seconds", .duration, labels: ["protocol"], "How long handlers took for a stream.")
    static let protocolBytes = MetricDescription(
        "p2p_protocol_bytes_total", .counter, labels: ["protocol", "direction"],
        "Bytes that applications read and wrote; up to 64 KiB of a stream that lives are not counted yet.")

    static let limit = MetricDescription("p2p_limit", .gauge, labels: ["limit"], "The value of a limit, in things or bytes.")
    static let limitUse = MetricDescription("p2p_limit_use", .gauge, labels: ["limit"], "What counts for a limit now.")
    static let limitPeak = MetricDescription("p2p_limit_peak", .gauge, labels: ["limit"], "The most that has counted for a limit.")
    static let limitRefusals = MetricDescription(
        "p2p_limit_refusals_total", .counter, labels: ["limit"], "What was refused, closed or made room because of a limit.")
    static let heldBytes = MetricDescription("p2p_held_bytes", .gauge, "Bytes that peers make the host hold.")
    static let tasks = MetricDescription("p2p_tasks", .gauge, "Tasks that the host owns.")
    static let queueDepth = MetricDescription("p2p_queue_depth", .gauge, labels: ["queue"], "What waits in the host's queues.")

    static let identified = MetricDescription("p2p_peers_identified_total", .counter, "Introductions of peers.")
    static let discovered = MetricDescription(
        "p2p_peers_discovered_total", .counter, "Peers that sources of discovery found, or found again.")
    static let eventsLost = MetricDescription(
        "p2p_events_lost_total", .counter, "Events of which the last two metrics did not hear, because too many came at once.")
    static let peerstorePeers = MetricDescription("p2p_peerstore_peers", .gauge, "Peers whose addresses are known; counted once a minute.")

    static let all = [
        connections, connectionsOpened, connectionsClosed, connectionDuration, bytes, congestionEvents, roundTrip, dials, dialDuration,
        attempts, attemptDuration, arrivals, arrivalDuration, stepDuration, pendingArrivals, pendingDials, streams, streamsOpened,
        streamFailures, servedDuration, protocolBytes, limit, limitUse, limitPeak, limitRefusals, heldBytes, tasks, queueDepth, identified,
        discovered, eventsLost, peerstorePeers,
    ]
}
