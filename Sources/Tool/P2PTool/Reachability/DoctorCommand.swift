import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p doctor`.
struct DoctorCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say step by step why a peer is not reached, and what to do.",
        discussion: """
            Dials the address as every command does, and says which step fails: the address itself, this node's rules, the name, the route, the \
            connection, the handshakes, the peer, or the protocol. Ends with 0 if all is well.
              p2p doctor /dns4/example.org/tcp/4001/p2p/12D3Koo...
              p2p doctor /ip4/192.168.1.7/udp/4001/quic-v1/p2p/12D3Koo... --json
            """)

    @Argument(help: "Where the peer is said to be, with or without /p2p/ and its id.", transform: TargetOptions.parse)
    var address: Multiaddr

    @Option(help: ArgumentHelp("A protocol that the peer should serve; without, ping.", valueName: "name"))
    var `protocol`: String?

    @OptionGroup var meeting: MeetingOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let trouble = try await NodeSession.run(self.node) { session in
            try await self.meeting.meet(session)
            return await self.examine(session, console)
        }
        guard let trouble else {
            return try await console.emit(
                ["event": "doctor", "result": "reached", "problem": .null, "advice": .null], "The peer is reached: all is well.")
        }
        try await console.emit(
            [
                "event": "doctor", "result": "failed", "problem": .string(trouble.problem),
                "advice": .string(PeerText(trouble.advice).description),
            ],
            "Problem: \(trouble.problem). \(PeerText(trouble.advice, limit: ToolError.maximumLength))")
        throw ExitCode.failure
    }

    /// - Returns: what is wrong; nil when nothing is.
    private func examine(_ session: NodeSession, _ console: Console) async -> (problem: String, advice: String)? {
        if let remark = AddressRemark(self.address, in: .current()) {
            self.say(.address, remark.isFatal ? "failed" : "noted", remark.text, console)
            if remark.isFatal { return ("scope", remark.text) }
        }
        let connection: PeerConnection
        do {
            connection = try await session.connect(to: self.address)
        } catch {
            let failure = (error as? DialError) ?? DialError(.allAddressesFailed, "\(error)")
            let trouble = DialTrouble(failure, at: self.address)
            for step in DialTrouble.Step.allCases.prefix(while: { $0 != trouble.step }) { self.say(step, "ok", nil, console) }
            self.say(trouble.step, "failed", failure.message, console)
            return (trouble.problem, trouble.advice)
        }
        for step in DialTrouble.Step.allCases.dropLast() { self.say(step, "ok", self.detail(of: step, connection), console) }
        return await self.tryProtocol(connection, session, console)
    }

    private func detail(of step: DialTrouble.Step, _ connection: PeerConnection) -> String? {
        switch step {
        case .connect: "\(connection.remoteAddress)"
        case .secure: "\(connection.security), \(connection.muxer)"
        case .peer: "\(connection.remotePeer)"
        default: nil
        }
    }

    private func tryProtocol(_ connection: PeerConnection, _ session: NodeSession, _ console: Console) async -> (
        problem: String, advice: String
    )? {
        do throws(StreamError) {
            if let name = self.protocol {
                let stream = try await session.host.openStream(on: connection.info.id, protocols: [ProtocolID(name), "/p2p-doctor/none"])
                stream.reset()
                self.say(.protocol, "ok", name, console)
            } else {
                let time = try await Pinger(on: connection).ping(timeout: session.options.timeout.duration)
                self.say(.protocol, "ok", "ping \(Milliseconds(time)) ms", console)
            }
            return nil
        } catch {
            self.say(.protocol, "failed", error.message, console)
            guard error.code == .protocolNotSupported || error.code == .negotiationFailed else {
                return ("connection", "The connection was lost soon after it was made: \(error.message)")
            }
            let name = self.protocol ?? "ping"
            return ("no-protocol", "The peer is reached, but does not serve \(name): it runs another program, or an older one.")
        }
    }

    private func say(_ step: DialTrouble.Step, _ result: String, _ detail: String?, _ console: Console) {
        let detail = detail.map { PeerText($0, limit: ToolError.maximumLength).description }
        console.announce(
            ["event": "step", "step": .string(step.rawValue), "result": .string(result), "detail": detail.map { .string($0) } ?? .null],
            "\(step.rawValue.padding(to: 8))  \(result)\(detail.map { "  \($0)" } ?? "")")
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - self.count)) }
}

/// What an address says about itself, before anybody dials it.
struct AddressRemark: Equatable {
    let isFatal: Bool
    let text: String

    /// Nil when there is nothing to remark.
    init?(_ address: Multiaddr, in networks: LocalNetworks) {
        switch address.reach {
        case .nowhere?:
            (self.isFatal, self.text) = (true, "The address names no host: 0.0.0.0 and the like are for listening.")
        case .host?:
            (self.isFatal, self.text) = (false, "The address means this machine itself: from another one it means that one.")
        case .network(let range)? where !networks.links.contains(where: { $0.prefixes.contains { range.contains($0.address) } }):
            (self.isFatal, self.text) = (
                false,
                """
                The address is of a private network (\(range)) in which this machine is not: use a public address of the peer's, or a \
                relay.
                """
            )
        default: return nil
        }
    }
}
