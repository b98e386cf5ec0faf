public import P2PCore
import Synchronization

/// A rendezvous point: peers say there under which names they want to be found, and others find them (rendezvous spec).
public final class RendezvousPoint: ProtocolHandler {
    private let store = Mutex(RegistrationStore())

    /// One that nobody has registered at.
    public init() {}

    /// The protocol's one name.
    public var protocolIDs: [ProtocolID] { [Rendezvous.id] }
    /// Bounds for what one peer may ask.
    public var limits: StreamLimits {
        StreamLimits(inboundPerPeer: RendezvousLimits.inboundStreamsPerPeer, refusals: RendezvousLimits.refusals)
    }

    /// How many registrations there are.
    public var registrationCount: Int { self.store.withLock { $0.count } }

    /// Answers requests one after the other, for as long as the peer sends some.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let clock = connection.host.clock
        while true {
            let message = try await StreamError.within(RendezvousLimits.timeout, on: clock, "the wait for a request") {
                () throws(StreamError) in
                try await stream.readMessage(upTo: RendezvousLimits.requestSize)
            }
            guard let message else { return }
            let request = try RendezvousMessage(reading: message)
            let (peer, now) = (connection.remotePeer, clock.now())
            let answer = try self.store.withLock { store throws(StreamError) in try store.answer(request, from: peer, at: now) }
            guard let answer else { continue }
            try await StreamError.within(RendezvousLimits.timeout, on: clock, "the answer") { () throws(StreamError) in
                try await stream.writeMessage(answer.encoded)
            }
        }
    }
}
