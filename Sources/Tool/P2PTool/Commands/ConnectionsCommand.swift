import ArgumentParser
import NIOCore
import P2PCore

/// `p2p connections`.
struct ConnectionsCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "List the connections of a daemon that runs, and what each is worth to it.",
        discussion: """
            The oldest comes first. Where a node has too many, those that are worth least make room; what is protected, allowed, in use or a few \
            seconds old does not.
              p2p connections --data node
              p2p connections --data node --json
            """)

    @Option(help: ArgumentHelp("The directory that `p2p daemon --data` uses.", valueName: "directory"))
    var data: String

    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        try await DataDirectory(self.data).ask("connections", console)
    }
}

extension DataDirectory {
    /// Asks the daemon that has the directory, and prints what it says.
    func ask(_ question: String, _ console: Console) async throws {
        let answer: String
        do {
            answer = try await self.control.ask(console.speaksJSON ? "\(question) --json" : question)
        } catch let error as ToolError where error.code == "notRunning" {
            throw ToolError(error.code, "no daemon with this data directory runs: \(error.message)")
        }
        try await console.write(ByteBuffer(string: answer))
    }
}
