/// Hears what a host does, while it does it: for metrics and traces. A module brings one in ``HostPlan/observers``; without any, nothing is told
/// and nothing is counted for it.
///
/// It is called once for each dial, address, arrival, connection and stream, on whatever thread that happens, event loops among them, and never
/// for a read or a write. It must not block.
public protocol HostObserver: Sendable {
    /// Work begins. What is returned hears how it ends; nil when that is of no interest.
    ///
    /// It is called in the task of whoever asked for a dial or a stream, and otherwise where the work is done.
    ///
    /// - Parameter parent: what was returned for the work that this is a part of.
    func began(_ work: HostWork, within parent: (any WorkObserver)?) -> (any WorkObserver)?
    /// A connection is ready, and listed.
    func connected(_ connection: ConnectionInfo)
    /// A connection ended, after it had carried so much.
    func disconnected(_ connection: ConnectionInfo, reason: ConnectionError, traffic: ConnectionTraffic)
}

/// Hears the end of one piece of work.
public protocol WorkObserver: Sendable {
    /// The work is over; told once.
    func ended(_ outcome: WorkOutcome)
    /// Runs the application's part of the work, a handler: a trace makes itself known to it so. Runs `body` exactly once, and throws what it throws.
    func perform(_ body: () async throws -> Void) async throws
}

extension WorkObserver {
    /// Runs it as it is.
    public func perform(_ body: () async throws -> Void) async throws { try await body() }
}
