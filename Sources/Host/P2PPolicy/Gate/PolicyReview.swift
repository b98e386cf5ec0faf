/// What new rules have come to.
public struct PolicyReview: Hashable, Sendable {
    /// How many rules hold now.
    public var rules = 0
    /// Connections that are no longer granted, and are closed.
    public var connections = 0
    /// Streams that are no longer granted, and were reset.
    public var streams = 0
    /// Listeners that are no longer granted, and are closed.
    public var listeners = 0
    /// Plain sockets that are no longer granted, and are closed.
    public var sockets = 0

    /// The parts, as documented above.
    public init(rules: Int = 0, connections: Int = 0, streams: Int = 0, listeners: Int = 0, sockets: Int = 0) {
        self.rules = rules
        self.connections = connections
        self.streams = streams
        self.listeners = listeners
        self.sockets = sockets
    }
}
