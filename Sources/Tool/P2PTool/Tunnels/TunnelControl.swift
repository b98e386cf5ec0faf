import NIOCore
import P2PSystem
import P2PTunnels

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the tunnels of a user's processes can be listed and closed: a ``ControlSocket`` for each process, in a directory that is the user's alone.
enum TunnelControl {
    /// The directory: `P2P_RUNTIME_DIR`, or `p2p` in the one that the system has for such things, or one of the user's in `/tmp`.
    static var directory: String {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }
        if let own = variable("P2P_RUNTIME_DIR") { return own }
        return variable("XDG_RUNTIME_DIR").map { $0 + "/p2p" } ?? "/tmp/p2p-\(geteuid())"
    }

    /// Makes the directory, or makes sure that it is the user's alone.
    private static func prepareDirectory() throws -> String {
        let path = self.directory
        let isOwn: Bool
        do throws(IOError) {
            isOwn = try OwnersDirectory.prepare(at: path)
        } catch {
            throw ToolError("dataUnavailable", "\(path) can't be made or looked at: \(SystemError(error)?.words ?? "\(error)")")
        }
        guard isOwn else { throw ToolError("dataUnavailable", "\(path) is no directory that is this user's alone (mode 0700)") }
        return path
    }

    // MARK: The process with the tunnels

    /// Answers until the task is cancelled.
    static func serve(_ tunnels: Tunnels) async throws {
        let socket = try self.socket(of: getpid())
        guard let descriptor = socket.bind() else { return }
        await socket.serve(on: descriptor) { await self.answer($0, tunnels) }
    }

    private static func socket(of process: pid_t) throws -> ControlSocket {
        ControlSocket(path: try self.prepareDirectory() + "/tunnels-\(process).sock")
    }

    /// What a request comes to: `ls`, or `close NUMBER`; nil for one that means nothing.
    static func answer(_ request: String, _ tunnels: Tunnels) async -> String? {
        let words = request.split(separator: " ")
        switch (words.first, words.count) {
        case ("ls", 1): return tunnels.list.map { "\(JSONObject.tunnel($0, of: getpid()))\n" }.joined()
        case ("close", 2):
            guard let number = UInt64(words[1]) else { return nil }
            return await tunnels.close(TunnelID(number: number)) ? "closed\n" : ""
        default: return nil
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
        let socket = try self.socket(of: process)
        do {
            return try await socket.ask(request)
        } catch let error as ToolError where error.code == "notRunning" {
            guard kill(process, 0) != 0, errno == ESRCH else { return nil }
            unlink(socket.path)
            return nil
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
