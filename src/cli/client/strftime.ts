/**
 * Times as strftime(3) writes them in the C locale, one letter at a time.
 * Knows calendars; refuses to know what the time is for.
 * @module
 */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];
const DAY_MS = 86_400_000;

/** The text for `%letter` at the local time; undefined for a letter that means nothing. */
export function strftime(letter: string, time: Date): string | undefined {
  const all = (letters: string) =>
    letters.replace(/%(.)/g, (_, one: string) => one === "%" ? "%" : strftime(one, time)!);
  const hour = time.getHours();
  const hour12 = hour % 12 === 0 ? 12 : hour % 12;
  const weekday = time.getDay();
  const monday = (weekday + 6) % 7;
  const dayOfYear = dayOf(time);
  switch (letter) {
    case "a":
      return DAYS[weekday]!.slice(0, 3);
    case "A":
      return DAYS[weekday];
    case "b":
    case "h":
      return MONTHS[time.getMonth()]!.slice(0, 3);
    case "B":
      return MONTHS[time.getMonth()];
    case "c":
      return all("%a %b %e %H:%M:%S %Y");
    case "C":
      return padded(Math.floor(time.getFullYear() / 100));
    case "d":
      return padded(time.getDate());
    case "D":
    case "x":
      return all("%m/%d/%y");
    case "e":
      return padded(time.getDate(), 2, " ");
    case "F":
      return all("%Y-%m-%d");
    case "g":
      return padded(isoWeek(time).year % 100);
    case "G":
      return String(isoWeek(time).year);
    case "H":
      return padded(hour);
    case "I":
      return padded(hour12);
    case "j":
      return padded(dayOfYear + 1, 3);
    case "k":
      return padded(hour, 2, " ");
    case "l":
      return padded(hour12, 2, " ");
    case "m":
      return padded(time.getMonth() + 1);
    case "M":
      return padded(time.getMinutes());
    case "n":
      return "\n";
    case "p":
      return hour < 12 ? "AM" : "PM";
    case "P":
      return hour < 12 ? "am" : "pm";
    case "r":
      return all("%I:%M:%S %p");
    case "R":
      return all("%H:%M");
    case "s":
      return String(Math.floor(time.getTime() / 1000));
    case "S":
      return padded(time.getSeconds());
    case "t":
      return "\t";
    case "T":
    case "X":
      return all("%H:%M:%S");
    case "u":
      return String(monday + 1);
    case "U":
      return padded(Math.floor((dayOfYear + 7 - weekday) / 7));
    case "V":
      return padded(isoWeek(time).week);
    case "w":
      return String(weekday);
    case "W":
      return padded(Math.floor((dayOfYear + 7 - monday) / 7));
    case "y":
      return padded(time.getFullYear() % 100);
    case "Y":
      return String(time.getFullYear());
    case "z":
      return offsetOf(time);
    case "Z":
      return zoneOf(time);
    case "%":
      return "%";
    default:
      return undefined;
  }
}

function padded(value: number, length = 2, pad = "0"): string {
  return String(value).padStart(length, pad);
}

/** From 0. */
function dayOf(time: Date): number {
  const [year, month, day] = [time.getFullYear(), time.getMonth(), time.getDate()];
  return Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / DAY_MS);
}

/** ISO 8601: the week that holds a Thursday, and the year that holds that Thursday. */
function isoWeek(time: Date): { readonly week: number; readonly year: number } {
  const thursday = new Date(
    time.getFullYear(),
    time.getMonth(),
    time.getDate() - (time.getDay() + 6) % 7 + 3,
  );
  return { week: Math.floor(dayOf(thursday) / 7) + 1, year: thursday.getFullYear() };
}

function offsetOf(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${padded(Math.floor(size / 60))}${padded(size % 60)}`;
}

function zoneOf(time: Date): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(time);
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}
