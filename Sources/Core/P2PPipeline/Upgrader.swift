package import NIOCore
package import P2PCore
package import P2PIdentity
import P2PMultiaddr
import P2PNegotiation

/// Makes an authenticated, encrypted, multiplexed connection of a channel of bytes:
/// protect, negotiate, secure, negotiate, multiplex. One for all byte transports of a host.
package struct Upgrader: Sendable {
    /// How long an arrival has for all of its handshakes.
    package static let defaultTimeout = TimeAmount.seconds(10)

    let localPeer: PeerID
    let protector: (any ConnectionProtector)?
    let security: [any SecureChannel]
    let muxers: [any StreamMuxer]
    let windowBudget: MemoryBudget
    let executors = EventLoopTaskExecutors()
    /// Arrivals on which this side begins the handshakes.
    let arrivalRoles: ArrivalRoles
    package let inboundTimeout: TimeAmount
    let negotiatesMuxersEarly: Bool

    /// - Parameters:
    ///   - protector: lies below everything else; nil for the public network.
    ///   - security: secure channels, the preferred one first.
    ///   - muxers: stream muxers, the preferred one first.
    ///   - windowBudget: what receive windows may grow by, over all connections.
    ///   - arrivalRoles: arrivals on which this side begins the handshakes.
    ///   - negotiatesMuxersEarly: whether secure handshakes announce the muxers, which saves the round trip of negotiating one afterwards
    ///     wherever the peer does so, too.
    package init(
        localPeer: PeerID, protector: (any ConnectionProtector)? = nil, security: [any SecureChannel], muxers: [any StreamMuxer],
        windowBudget: MemoryBudget, inboundTimeout: TimeAmount = Self.defaultTimeout, negotiatesMuxersEarly: Bool = true,
        arrivalRoles: ArrivalRoles = ArrivalRoles()
    ) {
        self.localPeer = localPeer
        self.protector = protector
        self.security = security
        self.muxers = muxers
        self.windowBudget = windowBudget
        self.inboundTimeout = inboundTimeout
        self.arrivalRoles = arrivalRoles
        self.negotiatesMuxersEarly = negotiatesMuxersEarly
    }

    /// Runs every handshake; closes the channel when one fails, the deadline passes or the task is cancelled.
    ///
    /// - Parameters:
    ///   - isDialled: whether this side dialled; nil where whoever dials begins the handshakes.
    ///   - onConnected: called on the channel's event loop when the channel carries the peer's bytes and the handshakes begin.
    package func upgrade(
        _ bytes: ByteChannel, role: ConnectionRole, isDialled: Bool? = nil, expecting peer: PeerID?, deadline: NIODeadline,
        onConnected: (@Sendable () -> Void)? = nil
    ) async throws(TransportError) -> any MuxedConnection {
        let channel = bytes.channel
        let observation = Observation.current
        let promise = channel.eventLoop.makePromise(of: (any MuxedConnection).self)
        let running = NIOLoopBoundBox<Running>.makeBoxSendingValue(.fresh, eventLoop: channel.eventLoop)
        return try await withTaskCancellationHandler {
            channel.eventLoop.execute {
                let upgrade = Upgrade(
                    self, bytes: bytes, role: role, isDialled: isDialled, expecting: peer, promise: promise, onConnected: onConnected,
                    observation: observation)
                if case .cancelled(let error) = running.value {
                    upgrade.fail(error)
                } else {
                    running.value = .upgrade(upgrade)
                    upgrade.start(deadline: deadline)
                }
            }
            do {
                return Result<any MuxedConnection, TransportError>.success(try await promise.futureResult.get())
            } catch {
                return .failure(Upgrade.transportError(error))
            }
        } onCancel: {
            channel.eventLoop.execute {
                let error = TransportError(.cancelled, "the task that wanted a connection to \(bytes.remoteAddress) was cancelled")
                if case .upgrade(let upgrade) = running.value { upgrade.fail(error) } else { running.value = .cancelled(error) }
            }
        }.get()
    }

    /// A task may be cancelled before its upgrade has begun.
    private enum Running {
        case fresh
        case upgrade(Upgrade)
        case cancelled(TransportError)
    }
}
