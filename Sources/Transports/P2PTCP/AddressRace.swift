import NIOCore
import P2PCore
import P2PPipeline

/// Connects to several addresses of one host, each a little later than the one before (RFC 8305, section 5): an address
/// that swallows packets costs that little, not a time-out.
struct AddressRace: Sendable {
    /// How long an address has before the next one starts beside it; a failure starts it at once.
    static let stagger = Duration.milliseconds(250)

    let attempt: @Sendable (SocketAddress) async throws(TransportError) -> ByteChannel

    private enum Event: Sendable {
        case connected(ByteChannel)
        case failed(TransportError)
        /// So many addresses had started when this was set.
        case turn(Int)
    }

    /// The first connection that is made. The others are called off and closed.
    func run(_ addresses: [SocketAddress]) async -> Result<ByteChannel, TransportError> {
        await withTaskGroup(of: Event.self) { group in
            var started = 0
            var winner: ByteChannel?
            var failures: [TransportError] = []
            self.start(addresses, &started, in: &group)
            while winner == nil, failures.count < addresses.count, let event = await group.next() {
                switch event {
                case .connected(let channel): winner = channel
                case .failed(let error):
                    failures.append(error)
                    self.start(addresses, &started, in: &group)
                case .turn(let count):
                    if count == started { self.start(addresses, &started, in: &group) }
                }
            }
            group.cancelAll()
            for await case .connected(let loser) in group { loser.channel.close(promise: nil) }
            return winner.map { .success($0) } ?? .failure(Self.summary(failures))
        }
    }

    private func start(_ addresses: [SocketAddress], _ started: inout Int, in group: inout TaskGroup<Event>) {
        guard started < addresses.count, !Task.isCancelled else { return }
        let address = addresses[started]
        started += 1
        group.addTask {
            do throws(TransportError) { return .connected(try await self.attempt(address)) } catch { return .failed(error) }
        }
        guard started < addresses.count else { return }
        let count = started
        group.addTask {
            try? await Task.sleep(for: Self.stagger)
            return .turn(count)
        }
    }

    private static func summary(_ failures: [TransportError]) -> TransportError {
        if failures.count == 1 { return failures[0] }
        let isLate = failures.allSatisfy { $0.code == .timedOut }
        return TransportError(isLate ? .timedOut : .unreachable, failures.map(\.message).joined(separator: "; "))
    }
}
