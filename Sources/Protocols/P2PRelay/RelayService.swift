public import P2PCore
import Synchronization

/// A relay for others: whoever has asked for a place is reached through this node, within limits of time and bytes.
///
/// It knows who talks to whom, and never what they say. It passes on as much as the slower of both takes, and has no buffers of its own for a
/// circuit. It gives no place, and makes no circuit, over another relay.
public final class RelayService: HostModule {
    /// What it gives away.
    public let limits: RelayServiceLimits
    private let access: any RelayAccess
    private let stopTimeout: Duration
    private let desk = Mutex<RelayDesk?>(nil)

    /// A relay for one host.
    public convenience init(limits: RelayServiceLimits = RelayServiceLimits(), access: any RelayAccess = OpenRelayAccess()) {
        self.init(limits: limits, access: access, stopTimeout: HopProtocol.stopTimeout)
    }

    /// - Parameter stopTimeout: how long a target has for everything until it has agreed.
    init(limits: RelayServiceLimits, access: any RelayAccess, stopTimeout: Duration) {
        self.limits = limits
        self.access = access
        self.stopTimeout = stopTimeout
    }

    /// Adds the protocol that relays serve, and the task that watches the connections of its clients and sees off what is left of circuits.
    public func join(_ plan: inout HostPlan) async throws {
        let desk = RelayDesk(plan, limits: self.limits, access: self.access)
        self.desk.withLock { $0 = desk }
        plan.handlers.append(HopProtocol(desk: desk, stopTimeout: self.stopTimeout))
        plan.services.append(HostService("relay service") { _ in await desk.run() })
    }

    /// What the relay has given away now.
    public var statistics: RelayStatistics { self.desk.withLock { $0 }?.statistics ?? RelayStatistics() }
}

/// What a relay holds, and has carried.
public struct RelayStatistics: Sendable, Hashable {
    /// Places that are taken.
    public var reservations = 0
    /// Circuits that live, or are being made.
    public var circuits = 0
    /// Bytes that circuits which are over have carried, both ways; with what waited for one side when the other had left, also where it was not taken then.
    public var bytes: UInt64 = 0

    /// Nothing yet.
    public init() {}

    init(reservations: Int, circuits: Int, bytes: UInt64) {
        self.reservations = reservations
        self.circuits = circuits
        self.bytes = bytes
    }
}
