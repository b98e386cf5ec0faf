public import P2PCore
public import P2PIdentity

/// Makes direct connections of those that a relay lends (libp2p specs, "DCUtR"): both sides dial each other at the same moment, which opens the ways
/// through their NATs.
///
/// It begins by itself when a peer that came, or was reached, through a relay has introduced itself; the relayed connection goes on meanwhile, and is
/// closed a while after a direct one stands. Streams don't move: new ones use the direct connection.
public final class HolePunching: HostModule {
    /// `/libp2p/dcutr`.
    public static let id: ProtocolID = "/libp2p/dcutr"

    /// What came of one attempt, over one transport.
    public struct Report: Sendable, Hashable {
        /// With whom.
        public let peer: PeerID
        /// Counted from one for each peer; zero for a plain dial, which comes before.
        public let attempt: Int
        /// Over what; nil when nothing was dialled.
        public let transport: PunchTransport?
        /// Why there is no direct connection; nil when there is.
        public let failure: String?
        /// How long it took.
        public let duration: Duration
    }

    /// Reports that wait; the oldest make room.
    private static let backlog = 64

    /// What comes of each attempt, for one consumer; the newest 64 wait.
    public let reports: AsyncStream<Report>
    private let report: AsyncStream<Report>.Continuation

    /// Punching for one host.
    public init() {
        (self.reports, self.report) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.backlog))
    }

    /// Adds the protocol, and the task that begins.
    public func join(_ plan: inout HostPlan) async throws {
        let report = self.report
        let works = PunchWorks(plan.host, roles: plan[ArrivalRoles.self] ?? ArrivalRoles()) { report.yield($0) }
        plan.handlers.append(PunchProtocol(works: works))
        plan.services.append(HostService("hole punching") { host in await works.run(host.events()) })
    }
}
