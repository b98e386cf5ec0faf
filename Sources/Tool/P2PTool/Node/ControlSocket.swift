import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PSystem
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A unix socket of a process, over which other commands of the same user ask it something.
///
/// A question is a line. An answer is a line with the number of its bytes, and these bytes, so that one that breaks off is not taken for a whole one; a
/// question that means nothing is answered by the end alone.
struct ControlSocket: Sendable {
    /// The longest question, in bytes.
    static let maximumQuestion = 128
    /// The longest answer that is read, in bytes.
    private static let maximumAnswer = 64 * 1_024 * 1_024
    /// What an answer is written in, so that one that is taken at all is not given up.
    private static let piece = 64 * 1_024
    /// Who asks at a time; those beyond are closed.
    private static let maximumClients = 16
    /// How long either side may take over a question, over an answer's beginning, and over each piece of it.
    private static let patience = TimeAmount.seconds(10)
    private static let logger = Logger(label: "p2p.control")

    private typealias Client = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let path: String

    // MARK: The daemon

    /// Takes the address, in the place of what a daemon has left there that was killed. Nil, and a line in the log, where there can be no such socket.
    ///
    /// - Returns: a descriptor for ``serve(on:_:)``, on which nobody is accepted yet.
    func bind() -> CInt? {
        do {
            return try self.takeAddress()
        } catch {
            Self.logger.notice(
                "nobody can ask this process what it holds", metadata: ["socket": "\(self.path)", "reason": "\(error)"])
            return nil
        }
    }

    private func takeAddress() throws -> CInt {
        var kind = stat()
        if lstat(self.path, &kind) == 0, kind.st_mode & S_IFMT == S_IFSOCK { unlink(self.path) }
        let descriptor = try OwnersSocket.bind(at: self.path)
        guard listen(descriptor, CInt(Self.maximumClients)) == 0 else {
            let code = errno
            close(descriptor)
            unlink(self.path)
            throw IOError(errnoCode: code, reason: "listen")
        }
        return descriptor
    }

    /// Answers until the task is cancelled.
    ///
    /// - Parameters:
    ///   - descriptor: from ``bind()``; it is closed at the end.
    ///   - answer: to a question; nil for one that it does not know.
    func serve(on descriptor: CInt, _ answer: @escaping @Sendable (_ question: String) async -> String?) async {
        do {
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(descriptor) { channel in
                channel.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: channel) }
            }
            defer { unlink(self.path) }
            let places = LentPlaces(limit: Self.maximumClients)
            try await server.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients {
                        guard places.lend() else {
                            client.channel.close(promise: nil)
                            continue
                        }
                        group.addTask {
                            await Self.serve(client, answer)
                            places.giveBack()
                        }
                    }
                }
            }
        } catch {
            guard !Task.isCancelled else { return }
            Self.logger.notice(
                "nobody can ask this process any more what it holds", metadata: ["socket": "\(self.path)", "reason": "\(error)"])
        }
    }

    private static func serve(_ client: Client, _ answer: @escaping @Sendable (String) async -> String?) async {
        let channel = client.channel
        let patience = Patience(with: channel)
        defer { patience.end() }
        await withTaskCancellationHandler {
            // Whoever goes away before the end has what it wanted.
            try? await client.executeThenClose { inbound, _ in
                patience.renew()
                guard let question = try await Self.question(inbound), let text = await answer(question) else { return }
                var rest = ByteBuffer(string: "\(text.utf8.count)\n\(text)")
                while let piece = rest.readSlice(length: min(Self.piece, rest.readableBytes)), piece.readableBytes > 0 {
                    patience.renew()
                    // Not by the channel's writer: what it has not handed to the system when the channel closes is lost.
                    try await channel.writeAndFlush(piece).get()
                }
            }
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    /// Closes a channel when the other side takes too long.
    private final class Patience: Sendable {
        private let channel: any Channel
        private let timer = Mutex<Scheduled<Void>?>(nil)

        init(with channel: any Channel) { self.channel = channel }

        /// From now on, the other side has its time again.
        func renew() {
            let channel = self.channel
            let timer = channel.eventLoop.scheduleTask(in: ControlSocket.patience) { channel.close(promise: nil) }
            self.exchange(timer)
        }

        func end() { self.exchange(nil) }

        private func exchange(_ timer: Scheduled<Void>?) {
            let old = self.timer.withLock { held in
                defer { held = timer }
                return held
            }
            old?.cancel()
        }
    }

    private static func question(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> String? {
        var line = ByteBuffer()
        for try await var piece in inbound {
            line.writeBuffer(&piece)
            if let end = line.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                return String(decoding: line.readableBytesView[..<end], as: UTF8.self)
            }
            guard line.readableBytes <= Self.maximumQuestion else { return nil }
        }
        return nil
    }

    // MARK: Those who ask

    private static func words(of error: any Error) -> String {
        SystemError(error)?.words ?? "\(error)"
    }

    /// Asks the process that has the socket.
    ///
    /// - Throws: `ToolError` with the code `notRunning` when nobody answers there, `noAnswer` when it does not know the question or its answer breaks off.
    func ask(_ question: String) async throws -> String {
        let client: Client
        do {
            client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: self.path) { channel in
                    channel.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: channel) }
                }
        } catch {
            throw ToolError("notRunning", "\(self.path) can't be connected to (\(Self.words(of: error)))")
        }
        let channel = client.channel
        let patience = Patience(with: channel)
        defer { patience.end() }
        return try await client.executeThenClose { inbound, _ in
            patience.renew()
            try await channel.writeAndFlush(ByteBuffer(string: question + "\n")).get()
            var answer = ControlAnswer(limit: Self.maximumAnswer)
            for try await piece in inbound {
                patience.renew()
                try answer.add(piece)
                if answer.isWhole { break }
            }
            return try answer.text(to: question)
        }
    }
}
