/// One subsystem of a node, as a value: what an application names in one line.
///
/// It is asked once for each host, before that exists, and adds to the plan whatever it brings: transports, handlers, places to look for
/// peers, addresses, tasks. It refuses for itself what its surroundings forbid. What happens to it later is its own sequence of events,
/// and what it can do is its own methods: the application keeps the value.
///
/// ```swift
/// struct Clock: HostModule {
///     func join(_ plan: inout HostPlan) { plan.handlers.append(ClockProtocol()) }
/// }
/// ```
public protocol HostModule: Sendable {
    /// Adds what this module brings.
    ///
    /// - Throws: what keeps the node from being made, such as ``TransportError/Code/invalidConfiguration`` where the surroundings forbid it.
    func join(_ plan: inout HostPlan) async throws
}
