import Dispatch
import Foundation
import P2P

/// Lines in and out.
enum Terminal {
    private static let input = DispatchQueue(label: "terminal input")

    /// Waits for the next line that is typed; nil at the end of the input.
    ///
    /// Reading blocks a thread, so it is not done on one of Swift's own.
    static func line() async -> String? {
        await withCheckedContinuation { continuation in
            self.input.async { continuation.resume(returning: readLine()) }
        }
    }

    /// Prints a line at once, into a pipe, too.
    static func show(_ line: String) {
        FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }

    /// What a peer sent, without anything that could steer the terminal or mislead its reader: control characters, invisible ones and
    /// those that turn the direction of the text are shown by their number.
    static func printable(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { printed, scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                printed += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                printed.unicodeScalars.append(scalar)
            }
        }
    }

    /// The end of a peer's id: enough to tell two of the same name apart.
    static func short(_ peer: PeerID) -> String { String("\(peer)".suffix(6)) }
}
