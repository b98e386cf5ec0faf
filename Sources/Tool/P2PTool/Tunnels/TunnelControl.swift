import NIOCore
import NIOPosix
import P2PCore
import P2PTunnels

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the tunnels of a user's processes can be listed and closed: a unix socket for each process, in a directory that is the user's alone.
enum TunnelControl {
    /// The longest request, in bytes.
    static let maximumRequest = 64
    /// The longest answer that is read, in bytes.
    static let maximumAnswer = 4 * 1_024 * 1_024
    /// Who asks at a time; those beyond are closed.
    private static let maximumClients = 16
    /// How long a question and its answer may take, on either side.
    fileprivate static let patience = TimeAmount.seconds(10)

    /// The directory: `P2P_RUNTIME_DIR`, or `p2p` in the one that the system has for such things, or one of the user's in `/tmp`.
    static var directory: String {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }
        if let own = variable("P2P_RUNTIME_DIR") { return own }
        return variable("XDG_RUNTIME_DIR").map { $0 + "/p2p" } ?? "/tmp/p2p-\(geteuid())"
    }

    /// Makes the directory, or makes sure that it is the user's alone.
    private static func prepareDirectory() throws -> String {
        let path = self.directory
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw DataDirectory.error("can't be made", path) }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw DataDirectory.error("can't be looked at", path) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw ToolError("dataUnavailable", "\(path) is no directory that is this user's alone (mode 0700)")
        }
        return path
    }

    // MARK: The process with the tunnels

    /// Answers until the task is cancelled.
    static func serve(_ tunnels: Tunnels) async throws {
        let path = try self.prepareDirectory() + "/tunnels-\(getpid()).sock"
        unlink(path)
        let places = LentPlaces(limit: Self.maximumClients)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard places.lend() else { throw ToolError("busy", "too many ask") }
                    channel.closeFuture.whenComplete { _ in places.giveBack() }
                    try channel.pipeline.syncOperations.addHandler(TunnelControlHandler(tunnels: tunnels))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        await withTaskCancellationHandler {
            try? await listener.closeFuture.get()
        } onCancel: {
            listener.close(promise: nil)
        }
        unlink(path)
    }

    /// What a request comes to: `ls`, or `close NUMBER`.
    static func answer(_ request: String, _ tunnels: Tunnels) async -> String {
        let words = request.split(separator: " ")
        switch (words.first, words.count) {
        case ("ls", 1): return tunnels.list.map { "\(JSONObject.tunnel($0, of: getpid()))\n" }.joined()
        case ("close", 2):
            guard let number = UInt64(words[1]) else { return "" }
            return await tunnels.close(TunnelID(number: number)) ? "closed\n" : ""
        default: return ""
        }
    }

    // MARK: Those who ask

    /// The processes that have tunnels, by their ids.
    static func processes() throws -> [pid_t] {
        guard let listing = opendir(self.directory) else { return [] }
        defer { closedir(listing) }
        var found: [pid_t] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard name.hasPrefix("tunnels-"), name.hasSuffix(".sock"), let id = pid_t(name.dropFirst(8).dropLast(5)) else { continue }
            found.append(id)
        }
        return found.sorted()
    }

    /// What a process answers; nil when it is not there, whose socket is removed then.
    static func ask(_ process: pid_t, _ request: String) async throws -> String? {
        let path = try self.prepareDirectory() + "/tunnels-\(process).sock"
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(unixDomainSocketPath: path) {
                channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            unlink(path)
            return nil
        } catch let error as IOError where error.errnoCode == ENOENT {
            return nil
        }
        let connection = channel.channel
        let deadline = NIODeadline.now() + Self.patience
        let timer = connection.eventLoop.scheduleTask(deadline: deadline) { connection.close(promise: nil) }
        defer { timer.cancel() }
        let answer = try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: request + "\n"))
            var answer = ByteBuffer()
            for try await bytes in inbound {
                answer.writeImmutableBuffer(bytes)
                guard answer.readableBytes <= self.maximumAnswer else { break }
            }
            return String(buffer: answer)
        }
        // What was cut off is no answer.
        guard NIODeadline.now() < deadline else { throw ToolError("noAnswer", "the process \(process) does not answer") }
        return answer
    }
}

/// Reads one request, answers it, and closes.
private final class TunnelControlHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let tunnels: Tunnels
    private var request = ByteBuffer()
    private var isAnswering = false
    private var alarm: Scheduled<Void>?

    init(tunnels: Tunnels) { self.tunnels = tunnels }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        self.alarm = context.eventLoop.scheduleTask(in: TunnelControl.patience) { channel.close(promise: nil) }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.alarm?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isAnswering else { return }
        self.request.writeImmutableBuffer(self.unwrapInboundIn(data))
        guard let end = self.request.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            if self.request.readableBytes > TunnelControl.maximumRequest { context.close(promise: nil) }
            return
        }
        self.isAnswering = true
        let line = String(decoding: self.request.readableBytesView[..<end], as: UTF8.self)
        let (tunnels, channel) = (self.tunnels, context.channel)
        Task {
            let answer = await TunnelControl.answer(line, tunnels)
            channel.writeAndFlush(ByteBuffer(string: answer)).whenComplete { _ in channel.close(promise: nil) }
        }
    }
}

extension JSONObject {
    /// A tunnel as `p2p tunnel ls` has it.
    static func tunnel(_ status: TunnelStatus, of process: pid_t) -> JSONObject {
        [
            "event": "tunnel", "id": .string("\(process)-\(status.id)"), "kind": .string(status.kind.rawValue),
            "service": status.name.map { .text($0) } ?? .null, "local": status.local.map { .text($0) } ?? .null,
            "peer": status.peer.map { .text($0) } ?? .null, "udp": .bool(status.isDatagrams), "flows": .integer(status.flows),
            "total_flows": .unsigned(status.totalFlows), "refusals": .unsigned(status.refusals), "bytes_in": .unsigned(status.bytesIn),
            "bytes_out": .unsigned(status.bytesOut), "lost_datagrams": .unsigned(status.lostDatagrams),
            "seconds": .seconds(.nanoseconds((NIODeadline.now() - status.since).nanoseconds)),
        ]
    }
}
