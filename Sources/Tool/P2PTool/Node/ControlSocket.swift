import Logging
import NIOCore
import NIOPosix
import P2PCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A socket in the data directory of a daemon, over which other commands of the same user ask what it holds: a line with a question, then lines with the
/// answer until the end.
struct ControlSocket: Sendable {
    /// The longest question, in bytes.
    static let maximumQuestion = 128
    /// The longest answer that is read, in bytes.
    private static let maximumAnswer = 64 * 1_024 * 1_024
    /// Who asks at a time; those beyond are closed.
    private static let maximumClients = 16
    /// How long a question and its answer may take.
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
            let address = try SocketAddress(unixDomainSocketPath: self.path)
            return try self.bind(address)
        } catch {
            Self.logger.notice(
                "nobody can ask this daemon what it holds", metadata: ["socket": "\(self.path)", "reason": "\(error)"])
            return nil
        }
    }

    private func bind(_ address: SocketAddress) throws -> CInt {
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // Linux makes the file with these rights; elsewhere it gets them before anybody is accepted.
        _ = fchmod(descriptor, 0o600)
        var kind = stat()
        if lstat(self.path, &kind) == 0, kind.st_mode & S_IFMT == S_IFSOCK { unlink(self.path) }
        let isBound = address.withSockAddr { systemBind(descriptor, $0, socklen_t($1)) == 0 }
        guard isBound, chmod(self.path, 0o600) == 0, listen(descriptor, CInt(Self.maximumClients)) == 0 else {
            let code = errno
            close(descriptor)
            throw IOError(errnoCode: code, reason: "bind")
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
                "nobody can ask this daemon any more what it holds", metadata: ["socket": "\(self.path)", "reason": "\(error)"])
        }
    }

    private static func serve(_ client: Client, _ answer: @escaping @Sendable (String) async -> String?) async {
        let channel = client.channel
        let timer = channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        defer { timer.cancel() }
        // Whoever goes away before the end has what it wanted.
        try? await client.executeThenClose { inbound, outbound in
            guard let question = try await Self.question(inbound), let text = await answer(question) else { return }
            try await outbound.write(ByteBuffer(string: text))
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

    /// Asks the daemon that has the directory.
    ///
    /// - Throws: `ToolError` with the code `notRunning` when there is none, `noAnswer` when it does not know the question.
    func ask(_ question: String) async throws -> String {
        let client: Client
        do {
            client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: self.path) { channel in
                    channel.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: channel) }
                }
        } catch {
            throw ToolError("notRunning", "no daemon with this data directory runs: \(self.path) can't be connected to (\(error))")
        }
        let answer = try await client.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: question + "\n"))
            var answer = ByteBuffer()
            for try await var piece in inbound {
                answer.writeBuffer(&piece)
                guard answer.readableBytes <= Self.maximumAnswer else { break }
            }
            return answer
        }
        guard answer.readableBytes > 0 else { throw ToolError("noAnswer", "the daemon does not know what it was asked (\(question))") }
        return String(buffer: answer)
    }
}

#if canImport(Darwin)
    private let systemBind = Darwin.bind
#elseif canImport(Glibc)
    private let systemBind = Glibc.bind
#elseif canImport(Musl)
    private let systemBind = Musl.bind
#endif
