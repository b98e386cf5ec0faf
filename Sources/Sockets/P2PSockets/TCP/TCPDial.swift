import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Makes one TCP connection to the first address of a host that answers.
struct TCPDial: Sendable {
    let destination: SocketDestination
    let options: TCPOptions
    let tls: NIOSSLContext?
    let hold: SocketHold?

    private enum Event: Sendable {
        case ended(Result<any Channel, SocketError>, SocketAddress)
        /// So many attempts had begun when this was set.
        case turn(Int)
    }

    /// Dials for that socket.
    func run(for core: TCPSocketCore) async {
        do throws(SocketError) {
            let addresses = try await self.destination.addresses()
            let (channel, address) = try await self.race(addresses)
            do throws(SocketError) {
                if let hold { try await self.options.gate.check(self.destination.question(leadingTo: address), for: hold) }
            } catch {
                channel.close(promise: nil)
                throw error
            }
            let usesTLS = self.tls != nil
            channel.eventLoop.execute {
                do {
                    core.open(channel, try channel.pipeline.syncOperations.handler(type: TCPSocketHandler.self), usesTLS: usesTLS)
                } catch {
                    core.openingFailed(SocketError(.reset, "the connection ended as it was made"))
                }
            }
        } catch {
            core.openingFailed(error)
        }
    }

    /// Tries the addresses, each a little later than the one before; the first that is ready counts.
    private func race(_ addresses: [SocketAddress]) async throws(SocketError) -> (any Channel, SocketAddress) {
        let outcome = await withTaskGroup(of: Event.self) { group in
            var begun = 0
            var failures: [SocketError] = []
            var winner: (any Channel, SocketAddress)?
            var isDue = true
            while winner == nil, failures.count < addresses.count {
                if isDue, begun < addresses.count, !Task.isCancelled {
                    let address = addresses[begun]
                    begun += 1
                    group.addTask { .ended(await self.attempt(address), address) }
                    if begun < addresses.count {
                        let count = begun
                        group.addTask {
                            try? await Task.sleep(for: SocketLimits.stagger)
                            return .turn(count)
                        }
                    }
                }
                isDue = false
                guard let event = await group.next() else { break }
                switch event {
                case .ended(.success(let channel), let address): winner = (channel, address)
                case .ended(.failure(let error), _):
                    failures.append(error)
                    isDue = true
                case .turn(let count): isDue = count == begun
                }
            }
            group.cancelAll()
            for await case .ended(.success(let loser), _) in group { loser.close(promise: nil) }
            return winner.map { .success($0) } ?? Result.failure(Self.summary(failures))
        }
        return try outcome.get()
    }

    private static func summary(_ failures: [SocketError]) -> SocketError {
        guard let first = failures.first else { return .wasCancelled }
        let isOne = failures.allSatisfy { $0.code == first.code }
        return SocketError(
            isOne ? first.code : .unreachable, failures.map(\.message).joined(separator: "; "), errno: isOne ? first.errno : nil)
    }

    private func attempt(_ address: SocketAddress) async -> Result<any Channel, SocketError> {
        let attempt = Attempt()
        return await withTaskCancellationHandler {
            do {
                let channel = try await self.bootstrap(attempt).connect(to: address).get()
                try await attempt.ready(of: channel)
                return .success(channel)
            } catch {
                attempt.cancel()
                return .failure(SocketError(error, "could not connect to \(address.ipAddress ?? "\(address)"):\(address.port ?? 0)"))
            }
        } onCancel: {
            attempt.cancel()
        }
    }

    private func bootstrap(_ attempt: Attempt) -> ClientBootstrap {
        let (tls, serverName) = (self.tls, self.options.tls?.serverName ?? self.destination.host)
        let wantedName = self.options.tls?.wantedName(self.destination.host)
        return ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(TimeAmount(self.options.openTimeout))
            .applying(self.options)
            .channelOption(.autoRead, value: tls != nil)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let ready = channel.eventLoop.makePromise(of: Void.self)
                    attempt.began(channel, ready.futureResult)
                    let pipeline = channel.pipeline.syncOperations
                    do {
                        try pipeline.addHandler(SocketHeadHandler())
                        if let tls { try pipeline.addHandler(SocketTLS.handler(tls, serverName: serverName)) }
                        try pipeline.addHandler(TCPSocketHandler(usesTLS: tls != nil, serverName: wantedName, ready: ready))
                    } catch {
                        ready.fail(error)
                        throw error
                    }
                }
            }
    }
}

/// One connection that is being made, so that it can be called off.
private final class Attempt: Sendable {
    private struct State {
        var channel: (any Channel)?
        var ready: EventLoopFuture<Void>?
        var isCancelled = false
    }

    private let state = Mutex(State())

    func began(_ channel: any Channel, _ ready: EventLoopFuture<Void>) {
        let isCancelled = self.state.withLock { state in
            state.channel = channel
            state.ready = ready
            return state.isCancelled
        }
        if isCancelled { channel.close(promise: nil) }
    }

    func ready(of channel: any Channel) async throws {
        try await self.state.withLock { $0.ready }?.get()
    }

    func cancel() {
        let channel = self.state.withLock { state in
            state.isCancelled = true
            return state.channel
        }
        channel?.eventLoop.execute {
            if let channel { SocketHeadHandler.close(channel) }
        }
    }
}
