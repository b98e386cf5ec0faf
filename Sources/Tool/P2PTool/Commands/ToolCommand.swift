import ArgumentParser
import Logging

/// A command of the tool: what they all do about output, logs, signals and errors.
protocol ToolCommand: AsyncParsableCommand {
    /// How to talk to whoever started the tool.
    var output: OutputOptions { get }
    /// Does the work. What it throws becomes the error message and exit code 1.
    func execute(_ console: Console) async throws
}

extension ToolCommand {
    func run() async throws {
        let level = self.output.level
        LoggingSystem.bootstrap { label in StandardErrorLog(label: label, level: level) }
        let console = Console(speaksJSON: self.output.json)
        defer { console.finish() }
        do {
            try await self.execute(console)
        } catch let code as ExitCode {
            throw code
        } catch let interruption as Interruption {
            console.report(ToolError(interruption))
            throw ExitCode(interruption.exitCode)
        } catch {
            console.report(ToolError(error))
            throw ExitCode.failure
        }
    }
}
