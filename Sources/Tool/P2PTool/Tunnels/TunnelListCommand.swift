import ArgumentParser

/// `p2p tunnel ls`.
struct TunnelListCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the tunnels of this user's processes.",
        discussion: "One a line, as a JSON object in any case: its id, what it does, where it leads, and what it has carried.")

    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        var failure: (any Error)?
        for process in try TunnelControl.processes() {
            let answer: String?
            do { answer = try await TunnelControl.ask(process, "ls") } catch {
                // One that does not answer is not to hide the others.
                failure = error
                continue
            }
            for line in (answer ?? "").split(separator: "\n") { try await console.print(String(line)) }
        }
        if let failure { throw failure }
    }
}

/// `p2p tunnel close`.
struct TunnelCloseCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "close", abstract: "Close a tunnel of one of this user's processes, and what goes through it.")

    @Argument(help: ArgumentHelp("Its id, as `p2p tunnel ls` has it.", valueName: "id"))
    var id: String

    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let parts = self.id.split(separator: "-")
        guard parts.count == 2, let process = Int32(parts[0]), let number = UInt64(parts[1]),
            try await TunnelControl.ask(process, "close \(number)") == "closed\n"
        else { throw ToolError("noSuchTunnel", "there is no tunnel \(self.id): p2p tunnel ls has those that there are") }
        try await console.emit(["event": "closed", "tunnel": .string(self.id)], "closed \(self.id)")
    }
}
